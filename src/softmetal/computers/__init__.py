"""A folder for each computer: how a board is built from a user's files, which ports it has, how it is inspected.

Each fulfils the contract of `machine.computer`, and knows no other. A folder's name, with `-` for `_`, is the computer's in
`softmetal run --board`, and its COMPUTER the class.
"""
