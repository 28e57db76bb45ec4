"""Run the operators of a page's content that matter for its text."""

from __future__ import annotations

from typing import Any

from pdfminer.pdfinterp import LITERAL_FORM, LITERAL_IMAGE, PDFPageInterpreter
from pdfminer.pdftypes import PDFObjRef, dict_value, list_value, resolve1, stream_value
from pdfminer.psparser import PSLiteral, literal_name
from pdfminer.utils import MATRIX_IDENTITY, mult_matrix

from mckennabot.extract.pdf.content_stream import operations
from mckennabot.extract.pdf.device import PageDevice
from mckennabot.extract.pdf.fonts import FontStore
from mckennabot.extract.pdf.streams import data_of

MAX_DEPTH = 24
"""Forms inside forms."""
FORM_WEIGHT = 100
"""Operators that cost as much as starting a form: forms that call each other would never end."""
MAX_PATH = 64
"""Segments of a path after which enough is known about where it is; maps have thousands."""


class PageInterpreter(PDFPageInterpreter):
    """pdfminer's interpreter without colours, but with lazy fonts, /ActualText and limits.

    The methods called ``do_…`` are PDF's operators; `OPERATORS` says which are run.
    """

    device: PageDevice

    def __init__(self, fonts: FontStore, device: PageDevice, depth: int = 0) -> None:
        super().__init__(fonts, device)  # type: ignore[arg-type]
        self.fonts = fonts
        self.depth = depth

    def dup(self) -> PageInterpreter:
        """Return an interpreter for a nested stream."""
        return type(self)(self.fonts, self.device, self.depth + 1)

    def init_resources(self, resources: Any) -> None:
        """Set what the content may refer to by name; fonts are loaded when they are used."""
        self.resources = dict_value(resources)
        self.fontmap = _Fonts(self.fonts, dict_value(self.resources.get("Font")))
        self.xobjmap = dict_value(self.resources.get("XObject"))
        self.csmap = {}

    def execute(self, streams: Any) -> None:
        """Run content streams that belong together, but none inside itself."""
        # A form that draws itself is legal to write, and would never end.
        sound = [s for s in map(stream_value, streams) if s.objid not in self.parent_stream_ids]
        self.stream_ids = {s.objid for s in sound if s.objid is not None}
        for name, operands in operations(b"\n".join(data_of(s) for s in sound)):
            self.device.count()
            known = OPERATORS.get(name)
            if known is not None:
                count, run = known
                # Damaged streams lose operands; an operator with too few is skipped, and of too many the
                # last count.
                if len(operands) >= count:
                    run(self, *operands[len(operands) - count :])

    # Paths: they show where rules and drawings are

    def do_l(self, x: Any, y: Any) -> None:
        """Add a line to the path."""
        if len(self.curpath) < MAX_PATH:
            super().do_l(x, y)

    def do_re(self, x: Any, y: Any, w: Any, h: Any) -> None:
        """Add a rectangle to the path."""
        if len(self.curpath) < MAX_PATH:
            super().do_re(x, y, w, h)

    def do_c(self, x1: Any, y1: Any, x2: Any, y2: Any, x3: Any, y3: Any) -> None:
        """Add a curve to the path."""
        if len(self.curpath) < MAX_PATH:
            super().do_c(x1, y1, x2, y2, x3, y3)

    def do_v(self, x2: Any, y2: Any, x3: Any, y3: Any) -> None:
        """Add a curve with one control point (also ``y``: which one does not matter for a box)."""
        self.do_c(x2, y2, x2, y2, x3, y3)

    # Text

    def do_TJ(self, seq: Any) -> None:  # noqa: N802
        """Show text with moves between its parts."""
        if isinstance(seq, list):
            self.device.show(self.textstate, seq)

    def do__w(self, word: Any, char: Any, text: Any) -> None:
        """Set the spacings, move to the next line and show text."""
        self.do_Tw(word)
        self.do_Tc(char)
        self.do__q(text)

    # Marked content

    def do_BDC(self, tag: Any, props: Any) -> None:  # noqa: N802
        """Begin a marked span with properties."""
        if isinstance(props, PSLiteral):
            props = dict_value(self.resources.get("Properties")).get(literal_name(props))
        text = resolve1(dict_value(props).get("ActualText"))
        self.device.begin_marked(text if isinstance(text, bytes) else None)

    def do_BMC(self, tag: Any) -> None:  # noqa: N802
        """Begin a marked span."""
        self.device.begin_marked(None)

    def do_EMC(self) -> None:  # noqa: N802
        """End a marked span."""
        self.device.end_marked()

    # Pictures and nested content

    def do_EI(self, image: Any) -> None:  # noqa: N802
        """Draw an inline picture."""
        self.device.render_image("", image)

    def do_Do(self, name: Any) -> None:  # noqa: N802
        """Draw a picture or run a form."""
        if not isinstance(name, PSLiteral):
            return
        xobject = stream_value(self.xobjmap.get(literal_name(name)))
        kind = resolve1(xobject.get("Subtype"))
        if kind is LITERAL_IMAGE:
            self.device.render_image("", xobject)
        elif kind is LITERAL_FORM and self.depth < MAX_DEPTH:
            self.device.count(FORM_WEIGHT)
            matrix = [resolve1(n) for n in list_value(xobject.get("Matrix"))]
            # A form with a broken matrix is shown where it is.
            if len(matrix) != 6 or not all(isinstance(n, (int, float)) for n in matrix):
                matrix = list(MATRIX_IDENTITY)
            resources = dict_value(xobject.get("Resources")) or self.resources
            nested = self.subinterp()
            nested.render_contents(resources, [xobject], ctm=mult_matrix(tuple(matrix), self.ctm))
            self.device.set_ctm(self.ctm)


class _Fonts(dict[object, Any]):
    """A page's fonts by name, each loaded when it is first used: many pages name all fonts of the book."""

    def __init__(self, store: FontStore, specs: dict[Any, Any]) -> None:
        super().__init__()
        self.store = store
        self.specs = specs

    def __missing__(self, name: object) -> Any:
        if name not in self.specs:
            raise KeyError(name)
        spec = self.specs[name]
        objid = spec.objid if isinstance(spec, PDFObjRef) else None
        font = self[name] = self.store.get_font(objid, dict_value(spec))
        return font


def _operators(names: str) -> dict[bytes, tuple[int, Any]]:
    """Return each operator's number of operands and the method that runs it."""
    table = {}
    for name in names.split():
        method = getattr(
            PageInterpreter, "do_" + name.replace("*", "_a").replace('"', "_w").replace("'", "_q")
        )
        table[name.encode()] = (method.__code__.co_argcount - 1, method)
    return table


OPERATORS = _operators(
    "q Q cm BT ET Tc Tw Tz TL Tf Tr Ts Td TD Tm T* TJ Tj ' \" BDC BMC EMC EI Do "
    "m l c v h re S s f f* B B* b b* n"
)
OPERATORS[b"F"] = OPERATORS[b"f"]
OPERATORS[b"y"] = OPERATORS[b"v"]
