class CallbackModule:
    pass
