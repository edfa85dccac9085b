"""The codes that errors carry, found in the source: strings where a ``Code`` is expected.

That is an argument for a parameter or a field of that type, its default, and the value of a
variable of that type. Types are held by mypy; what is passed on from elsewhere has come from there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class _Taker:
    """Something that is called with a code: the parameter's name and place."""

    parameter: str
    place: int


def codes_in(sources: Sequence[str]) -> set[str]:
    """The codes in these sources, which call what any of them defines."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    takers: dict[str, set[_Taker]] = {}
    for node in nodes:
        for name, taker in _takers(node):
            takers.setdefault(name, set()).add(taker)
    return {code for node in nodes for code in _codes(node, takers)}


def _is_code(annotation: ast.expr | None) -> bool:
    return annotation is not None and "Code" in {
        part.id for part in ast.walk(annotation) if isinstance(part, ast.Name)
    }


def _takers(node: ast.AST) -> Iterator[tuple[str, _Taker]]:
    if isinstance(node, ast.FunctionDef):
        yield from ((node.name, taker) for taker in _parameters(node))
    if isinstance(node, ast.ClassDef):
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        for place, part in enumerate(fields):
            if _is_code(part.annotation) and isinstance(part.target, ast.Name):
                yield node.name, _Taker(part.target.id, place)
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                yield from ((node.name, taker) for taker in _parameters(method))


def _parameters(function: ast.FunctionDef) -> Iterator[_Taker]:
    names = [a for a in function.args.posonlyargs + function.args.args if a.arg != "self"]
    for place, argument in enumerate(names):
        if _is_code(argument.annotation):
            yield _Taker(argument.arg, place)


def _codes(node: ast.AST, takers: dict[str, set[_Taker]]) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and _is_code(node.annotation) and node.value is not None:
        yield from _strings(node.value)
    if isinstance(node, ast.FunctionDef):
        named = node.args.posonlyargs + node.args.args
        defaults = node.args.defaults
        for argument, default in zip(named[len(named) - len(defaults) :], defaults, strict=True):
            if _is_code(argument.annotation):
                yield from _strings(default)
    if isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        for taker in takers.get(name, ()):
            given = node.args[taker.place : taker.place + 1]
            given += [word.value for word in node.keywords if word.arg == taker.parameter]
            for expression in given:
                yield from _strings(expression)


def _strings(expression: ast.expr) -> Iterator[str]:
    """The strings that an expression can be: itself, or either branch, or each of several."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield expression.value
    if isinstance(expression, ast.IfExp):
        yield from _strings(expression.body)
        yield from _strings(expression.orelse)
