# SPDX-License-Identifier: Apache-2.0
"""Small faults put into Solidity, one at a time. Pure: text in, mutants out.

A tokenizer keeps comments, strings, imports and NatSpec out of reach; bodies of functions only are changed. What the
compiler refuses is no mutant, so operators may propose freely.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')'
    r"|(?P<number>0x[0-9a-fA-F_]+|\d[\d_]*(?:e\d+)?)"
    r"|(?P<word>[A-Za-z_$][\w$]*)"
    r"|(?P<sign>>>>=|>>=|<<=|>>>|\*\*|==|!=|<=|>=|&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|\|=|&=|\^=|=>|->|:=|<<|>>|[^\s\w])",
    re.DOTALL,
)
SIGNS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("*",),
    "<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",), "+=": ("-=", "="), "-=": ("+=", "="), "++": ("--",),
    "*=": ("/=",), "/=": ("*=",), "|=": ("&=", "="), "&=": ("|=", "="),
}  # fmt: skip
# Calls whose arguments change places without a change of what they come to.
SYMMETRIC = ("add", "and", "commutativeKeccak256", "eq", "max", "min", "mul", "or", "xor")
# A piece of the source, by its place.
PIECE = re.compile("\0(\\d+):(\\d+)\0")
BINARY_ONLY = set("<>+-*/%&|")
NAMES = {
    "relation": {"<", "<=", ">", ">=", "==", "!="},
    "logic": {"&&", "||"},
    "bits": {"<<", ">>", "&", "|", "|=", "&="},
}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Mutant:
    """`text[start:end]` replaced by `new`."""

    path: str
    operator: str
    line: int
    start: int
    end: int
    old: str
    new: str
    function: str
    before: str

    @property
    def key(self) -> str:
        """Names the fault, not its place: lines may move without a change of the key. `before` tells twins apart."""
        said = "\0".join((self.path, self.function, self.operator, self.before, self.old, self.new))
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def apply(self, source: str) -> str:
        return source[: self.start] + self.new + source[self.end :]


def tokens(source: str) -> list[Token]:
    """All tokens but comments."""
    found = (Token(m.lastgroup or "", m.group(), m.start()) for m in TOKEN.finditer(source))
    return [t for t in found if t.kind != "comment"]


def mutants(path: str, source: str) -> list[Mutant]:
    """Every mutant of a file, in order of place; twins of one key once."""
    kept: dict[str, Mutant] = {}
    for name, body in bodies(tokens(source)):
        for operator, start, end, new in proposals(body, source):
            line = source.count("\n", 0, start) + 1
            begin = source.rfind("\n", 0, start) + 1
            # Text of the line up to the fault, and how many such lines came before it in this function.
            lead = source[begin:start].strip()
            twin = source.count(lead, body[0].start, start) if lead else source.count("\n", body[0].start, start)
            new = PIECE.sub(lambda m: source[int(m[1]) : int(m[2])], new)
            if new == source[start:end]:
                continue
            mutant = Mutant(path, operator, line, start, end, source[start:end], new, name, f"{lead}#{twin}")
            kept.setdefault(mutant.key, mutant)
    return sorted(kept.values(), key=lambda m: (m.start, m.operator, m.new))


def bodies(ts: list[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Name and tokens of each function's body, braces included."""
    i = 0
    while i < len(ts):
        if ts[i].text in ("function", "constructor", "modifier") and ts[i].kind == "word":
            name = ts[i + 1].text if ts[i].text != "constructor" else "constructor"
            while ts[i].text not in ("{", ";"):
                i += 1
            if ts[i].text == "{":
                close = matching(ts, i)
                yield name, ts[i : close + 1]
                i = close
        i += 1


def matching(ts: list[Token], opening: int) -> int:
    """Index of the bracket that closes the one at `opening`."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    depth = 0
    for i in range(opening, len(ts)):
        if ts[i].kind == "sign":
            depth += ts[i].text in pairs
            depth -= ts[i].text in pairs.values()
            if depth == 0:
                return i
    raise ValueError("a bracket isn't closed")


def proposals(ts: list[Token], source: str) -> Iterator[tuple[str, int, int, str]]:
    """(operator, start, end, new text) for one body."""
    for i, t in enumerate(ts):
        before = ts[i - 1] if i else t
        after = ts[i + 1] if i + 1 < len(ts) else t
        if t.kind == "sign" and t.text in SIGNS:
            binary = before.kind in ("number", "word", "string") or before.text in (")", "]")
            if (t.text not in BINARY_ONLY or binary) and before.text != "return":
                operator = next((name for name, signs in NAMES.items() if t.text in signs), "arithmetic")
                for new in SIGNS[t.text]:
                    yield operator, t.start, t.end, new
        elif t.kind == "sign" and t.text == "!":
            yield "negation", t.start, t.end, ""
        elif t.kind == "sign" and t.text == "?":
            yield from _ternary(ts, i)
        elif t.kind == "number" and not t.text.startswith("0x") and before.text != "[":
            value = int(t.text.split("e")[0].replace("_", ""))
            if "e" not in t.text:
                yield "constant", t.start, t.end, str(value + 1)
                if value > 1:
                    yield "constant", t.start, t.end, str(value - 1)
                elif value == 1:
                    yield "constant", t.start, t.end, "0"
        elif t.kind == "word" and t.text in ("true", "false"):
            yield "constant", t.start, t.end, "false" if t.text == "true" else "true"
        elif t.kind == "word" and t.text == "require" and after.text == "(":
            end = matching(ts, i + 1)
            if ts[end + 1].text == ";":
                yield "no require", t.start, ts[end + 1].end, ""
        elif t.kind == "word" and t.text in ("if", "while") and after.text == "(":
            end = matching(ts, i + 1)
            yield "condition", after.end, ts[end].start, "true"
            yield "condition", after.end, ts[end].start, "false"
        elif t.kind == "word" and t.text == "return" and after.text not in (";", "("):
            end = next(j for j in range(i, len(ts)) if ts[j].text == ";")
            yield "return", after.start, ts[end].start, "0"
        elif t.kind == "word" and t.text in ("break", "continue"):
            yield "no jump", t.start, after.end, ""
        if t.text in (";", "{", "}") and i + 1 < len(ts):
            yield from _statement(ts, i + 1)
        if (
            t.kind == "word"
            and after.text == "("
            and t.text not in ("require", "if", "while", "for", "return", "revert", *SYMMETRIC)
        ):
            yield from _swapped(ts, i + 1, source)


def _ternary(ts: list[Token], mark: int) -> Iterator[tuple[str, int, int, str]]:
    """condition ? a : b becomes condition ? b : a, where both are a single token or a call."""
    depth = 0
    colon = end = None
    for j in range(mark + 1, len(ts)):
        text = ts[j].text
        depth += text in "([{"
        depth -= text in ")]}"
        if text == ":" and depth == 0 and colon is None:
            colon = j
        if depth < 0 or (depth == 0 and text in (";", ",") and colon is not None):
            end = j
            break
    if colon is None or end is None:
        return
    old = [ts[mark].end, ts[colon].start, ts[colon].end, ts[end].start]
    yield "condition", old[0], old[3], f"\0{old[2]}:{old[3]}\0:\0{old[0]}:{old[1]}\0"


def _statement(ts: list[Token], first: int) -> Iterator[tuple[str, int, int, str]]:
    """A statement that assigns, deletes, emits or just calls is left out. Declarations stay."""
    t = ts[first]
    if t.kind != "word" and t.text not in ("(", "++", "--"):
        return
    if t.text in (
        "return",
        "require",
        "if",
        "for",
        "while",
        "else",
        "unchecked",
        "assembly",
        "revert",
        "try",
        "do",
        "break",
        "continue",
    ):
        return
    depth, assigns, declares = 0, False, False
    for j in range(first, len(ts)):
        text = ts[j].text
        depth += text in ("(", "[", "{")
        depth -= text in (")", "]", "}")
        if depth < 0 or text == "{":
            return
        if depth == 0 and text == "=":
            assigns = True
        nxt = ts[j + 1] if j + 1 < len(ts) else ts[j]
        if ts[j].kind == "word" and nxt.kind == "word" and not assigns and text not in ("delete", "emit"):
            declares = True
        if text == ";":
            if not declares and j > first:
                kind = "no event" if t.text == "emit" else "no statement"
                yield kind, t.start, ts[j].end, ""
            return


def _swapped(ts: list[Token], opening: int, source: str) -> Iterator[tuple[str, int, int, str]]:
    """Two neighbouring arguments of a call change places."""
    close = matching(ts, opening)
    cuts, depth = [ts[opening].end], 0
    for j in range(opening + 1, close):
        depth += ts[j].text in ("(", "[", "{")
        depth -= ts[j].text in (")", "]", "}")
        if depth == 0 and ts[j].text == ",":
            cuts += [ts[j].start, ts[j].end]
    cuts.append(ts[close].start)
    spans = list(zip(cuts[::2], cuts[1::2], strict=True))
    for (a, b), (c, d) in pairwise(spans):
        if source[a:b].strip() != source[c:d].strip():
            yield "swapped arguments", a, d, f"\0{c}:{d}\0{source[b:c]}\0{a}:{b}\0"
