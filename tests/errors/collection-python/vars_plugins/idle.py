class VarsModule:
    REQUIRES_ENABLED = True
