"""The options of methods, a file each, by the name that recipes say. See `gantry.methods` for what they do."""

from gantry.plan.methods.base import MethodOptions, known_methods, parse, register_options

__all__ = ["MethodOptions", "known_methods", "parse", "register_options"]
