"""softmetal: machines as software. Hardware written in Python, run at native speed."""

__version__ = "0.1.0"
