"""The checker: hardware Python in, typed tree (`ir`) out, or an error that says what to write instead.

`values` says what an expression may be; `names`, `operators`, `calls` check expressions; `assignments`, `flow`, `function`
statements: each is the next one's base. `program` holds the functions that were checked.
"""

from softmetal.lang.check.program import Program

__all__ = ["Program"]
