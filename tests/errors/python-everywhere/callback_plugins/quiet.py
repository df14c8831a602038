class CallbackModule:
    CALLBACK_NEEDS_ENABLED = True
