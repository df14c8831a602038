# a module in Python
