class FilterModule:
    def filters(self):
        return {'shout': str.upper, 'whisper': str.lower, 'upper': str.upper}
