"""Mathematics of known commands.

What typesets it obeys commands that open links and load pictures, so only commands that draw are let through.
"""

from __future__ import annotations

import re

_COMMANDS_TEXT = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi omicron pi
varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma
Upsilon Phi Psi Omega frac dfrac tfrac cfrac sqrt root binom dbinom tbinom over choose sum prod coprod int
iint iiint oint limits nolimits lim limsup liminf max min sup inf arg argmax argmin det dim exp gcd hom
ker lg ln log Pr sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan deg mod bmod pmod infty
partial nabla forall exists nexists emptyset varnothing in notin ni subset subseteq supset supseteq cup
cap bigcup bigcap setminus land lor lnot neg wedge vee bigwedge bigvee oplus otimes odot pm mp times div
cdot cdots ldots dots vdots ddots ast star circ bullet le leq ge geq lt gt ne neq equiv approx sim simeq
cong propto ll gg prec succ preceq succeq mid nmid parallel perp to gets mapsto leftarrow rightarrow
leftrightarrow Leftarrow Rightarrow Leftrightarrow longrightarrow longleftarrow Longrightarrow
Longleftarrow uparrow downarrow Uparrow Downarrow iff implies impliedby hookrightarrow rightharpoonup
rightleftharpoons xrightarrow xleftarrow left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl
biggr langle rangle lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert lbrace rbrace lbrack
rbrack hat widehat bar overline underline vec dot ddot tilde widetilde overbrace underbrace overset
underset stackrel mathbb mathbf mathcal mathfrak mathit mathrm mathsf mathtt boldsymbol bm text textbf
textit textrm texttt textsf operatorname displaystyle textstyle scriptstyle rm bf it quad qquad hspace
vspace thinspace space phantom hphantom vphantom begin end hline tag notag nonumber label boxed cancel
therefore because angle triangle square hbar ell Re Im aleph degree prime dagger ddagger S P
"""
_COMMANDS = frozenset(_COMMANDS_TEXT.split())
_PLACES_TEXT = """
matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix cases aligned alignedat gathered split array
align align* equation equation* gather gather* multline multline*
"""
_PLACES = frozenset(_PLACES_TEXT.split())
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_PLACE = re.compile(r"\\(?:begin|end)\s*(?:\{([^{}]*)\})?")


def with_dollar_delimiters(source: str, *, display: object = False) -> str | None:
    """Return ``$…$`` or ``$$…$$`` on one line, or None where it could do more than be drawn.

    It must be harmless too where a renderer takes it for plain Markdown.
    """
    source = " ".join(source.split())
    if not source or source[-1] == "\\" or re.search(r"\]\s*[(:\[]|\\[()\[\]]|@@|://|\\\\$", source):
        return None
    if any(name not in _COMMANDS for name in _COMMAND.findall(source)):
        return None
    if any(place not in _PLACES for place in _PLACE.findall(source)):
        return None
    source = source.replace("<", r"\lt ").replace(">", r"\gt ")
    mark = "$$" if display else "$"
    return f"{mark}{source.strip()}{mark}"


def unsafe_commands(text: str) -> bool:
    """Return whether a text has a backslash command that does more than draw."""
    return any(name not in _COMMANDS for name in _COMMAND.findall(text))
