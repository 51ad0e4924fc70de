"""Instructions: which form of one is meant, and the bytes of its operands."""

from __future__ import annotations

import re

from softmetal.isa.assembler.forms import Form, forms_of
from softmetal.isa.assembler.layout import Layout, Place
from softmetal.isa.assembler.text import NAME, enclosed, near
from softmetal.isa.expressions import ExpressionError, Unknown, evaluate, sign
from softmetal.isa.syntax import FIELDS, OperandError, Placeholder, address_bits, encode, register_names, split
from softmetal.isa.table import Insn, Operand


class Instructions(Layout):
    """What reads instructions and pseudo-instructions."""

    def instruction(self, name: str, operands: str, depth: int) -> None:
        """One instruction or pseudo-instruction."""
        forms = forms_of(self.isa).get(name.lower())
        if not forms:
            self.fail(f"no instruction {name!r} in {self.isa.name}{near(name.lower(), forms_of(self.isa))}")
        pieces = [p.strip() for p in split(operands)]
        fits: list[tuple[Form, dict[Placeholder, str]]] = []
        reasons: list[str] = []
        for form in forms:
            if fits and form.insn is None:
                break
            texts = form.syntax.match(pieces)
            reason = self.misfit(texts) if texts is not None else ""
            if texts is not None and not reason:
                fits.append((form, texts))
            elif reason:
                reasons.append(reason)
        if not fits:
            shapes = " or ".join(dict.fromkeys(f"`{f.syntax.readable}`" for f in forms))
            line = f"{name} {operands.strip()}".strip()
            self.fail(reasons[0] if reasons else f"cannot read `{line}`; {name} is written {shapes}")
        form, texts = fits[0]
        if form.insn is None:
            self.expand(form, texts, depth)
            return
        same = [f for f in fits if f[0].insn and f[0].syntax.literals == form.syntax.literals]
        form, texts = self.choose(same)
        item = self.emit(form.insn.size, lambda place: self.encoded(form, texts, place))  # type: ignore[union-attr]
        for text in texts.values():
            if found := re.search(r"%pcrel_hi\s*\((.*)\)", text):
                self.upper.append((item, found[1]))

    def misfit(self, texts: dict[Placeholder, str]) -> str:
        """Why texts cannot be what their placeholders want, or nothing."""
        for p, text in texts.items():
            if p.form in self.isa.registers:
                names = register_names(self.isa, p.form)
                if text.lower() not in names:
                    hint = near(text.lower(), names, 0.5)
                    return f"{text!r} is no {p.form} register{hint}"
            elif self.isa.order == "bytes" and enclosed(text):
                return f"no form of this instruction takes {text!r}; parentheses around all of it mean a pointer"
        return ""

    def choose(self, fits: list[tuple[Form, dict[Placeholder, str]]]) -> tuple[Form, dict[Placeholder, str]]:
        """The first form that can hold its operands; where they are not known, the longest."""
        unknown, reasons = [], []
        for form, texts in fits:
            try:
                self.encoded(form, texts, self.place())
            except Unknown:
                unknown.append((form, texts))
            except OperandError as reason:
                reasons.append(reason)
            else:
                return form, texts
        if unknown:
            return max(unknown, key=lambda f: f[0].insn.size if f[0].insn else 0)
        raise reasons[-1]

    def encoded(self, form: Form, texts: dict[Placeholder, str], place: Place) -> bytes:
        """The bytes of an instruction."""
        insn = form.insn
        assert insn is not None
        operands = {o.name: o for o in insn.operands}
        values = dict(form.given)
        for p in form.syntax.pieces:
            for placeholder in p.placeholders:
                operand = operands[placeholder.name]
                if placeholder in texts:
                    value = self.value(placeholder, operand, texts[placeholder], place, insn)
                else:
                    value = self.isa.names[placeholder.form][""]
                values[placeholder.name] = value
        for name, value in values.items():  # names are given to bits, whatever their sign
            if operands[name].signed and value >> operands[name].bits - 1 == 1:
                values[name] = sign(value, operands[name].bits)
        try:
            return encode(self.isa, insn, values).to_bytes(insn.size, "little")
        except OperandError as error:
            raise OperandError(f"{insn.name}: {error}") from None

    def value(self, p: Placeholder, operand: Operand, text: str, place: Place, insn: Insn) -> int:
        """An operand's value. Raises OperandError where the text cannot be one."""
        isa = self.isa
        if p.form in isa.registers:
            return register_names(isa, p.form)[text.lower()]
        if p.form in isa.names and text.lower() in isa.names[p.form]:
            return isa.names[p.form][text.lower()]
        digits = re.fullmatch(r"(?:\$|0x)(0[0-9a-fA-F]+)", text) if isa.hex == "$" and not p.base else None
        if digits and 4 * len(digits[1]) > -(-operand.bits // 8) * 8:
            raise OperandError(f"{insn.name}: {text} has more digits than {p.name} can have")
        try:
            value = evaluate(text, place) if text else 0
        except ExpressionError as error:
            if p.form in isa.names and re.fullmatch(NAME, text):
                raise OperandError(f"{text!r} is none of {', '.join(filter(None, isa.names[p.form]))}") from None
            raise error from None
        if p.base:
            return self.distance(p, operand, value, place, insn)
        if p.form == "hi20":
            if not -(1 << 19) <= value < 1 << 20:
                raise OperandError(f"{insn.name}: {p.name} = {value:#x} is outside 0..0xfffff")
            return sign(value, 20) << 12
        return self.held(operand, value, insn) if not p.form else value

    def held(self, operand: Operand, value: int, insn: Insn) -> int:
        """A plain number; one too large must not slip in as a negative one."""
        try:
            operand.encode(value)
        except ValueError as error:
            raise OperandError(f"{insn.name}: {error}") from None
        return value

    def distance(self, p: Placeholder, operand: Operand, target: int, place: Place, insn: Insn) -> int:
        """From the instruction (or the next one) to a target."""
        value = sign(target - place.here() - insn.size * FIELDS[p.base], address_bits(self.isa))
        try:
            operand.encode(value)
        except ValueError as error:
            what = str(error).partition(" is ")[2]
            raise OperandError(f"{insn.name}: the target {target:#x} is {value:+d} bytes away, which is {what}") from None
        return value

    def expand(self, form: Form, texts: dict[Placeholder, str], depth: int) -> None:
        """What a pseudo-instruction stands for."""
        if depth > 8:
            self.fail(f"the pseudo-instruction {form.syntax.text!r} stands for itself")
        by_name = {p.name: text for p, text in texts.items()}
        lines: list[str] = []
        for expansion in form.expansions:
            if callable(expansion):
                numbers = {
                    p.name: self.known(text, f"{p.name} = {text}")
                    for p, text in texts.items()
                    if p.form not in self.isa.registers
                }
                lines += expansion(**{**by_name, **numbers})
            else:
                lines.append(re.sub(r"\{(\w+)\}", lambda m: by_name[m[1]], expansion))
        for line in lines:
            name, _, operands = line.partition(" ")
            self.instruction(name, operands, depth + 1)
