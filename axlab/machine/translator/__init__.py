"""The block translator: a second reader of the semantics functions.

`fold` reads one function's syntax tree for one *shape* of an instruction (its row, and what decides a path
through the function) and leaves a template of Python text. `blocks` fills the templates of a guest block's
instructions, one after the other, and compiles them into one Python function. `runner` calls those functions
and hands to the stepper whatever they cannot do. What an instruction means stands in `isa/semantics_*` alone.
"""
