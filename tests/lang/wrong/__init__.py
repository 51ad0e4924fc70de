"""Wrong programs, each with the whole message that its author gets."""

from tests.lang.wrong import arrays, bounds, chips, expressions, functions, references, statements

GROUPS = (expressions, statements, bounds, functions, chips, references, arrays)
WRONG = {name: each for group in GROUPS for name, each in group.WRONG.items()}
