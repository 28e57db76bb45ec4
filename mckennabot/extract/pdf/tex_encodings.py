"""Decode TeX's bitmap fonts: such a font names its glyphs ``/a65``, after their codes in TeX's encodings."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ASCII = {code: chr(code) for code in range(32, 127)} | {39: "’", 96: "‘"}


def _from(first: int, texts: str) -> dict[int, str]:
    return dict(enumerate(texts.split(), first))


OT1 = (
    _ASCII
    | _from(0, "Γ Δ Θ Λ Ξ Π Σ Υ Φ Ψ Ω ff fi fl ffi ffl ı ȷ ` ´ ˇ ˘ ¯ ˚ ¸ ß æ œ ø Æ Œ Ø")
    | {34: "”", 60: "¡", 62: "¿", 92: "“", 123: "–", 124: "—", 127: "¨"}
)
T1 = (
    _ASCII
    | _from(0, "` ´ ˆ ˜ ¨ ˝ ˚ ˇ ˘ ¯ ˙ ¸ ˛ ‚ ‹ › “ ” „ « » – —")
    | _from(25, "ı ȷ ff fi fl ffi ffl")
    | _from(
        127,
        "- Ă Ą Ć Č Ď Ě Ę Ğ Ĺ Ľ Ł Ń Ň Ŋ Ő Ŕ Ř Ś Š Ş Ť Ţ Ű Ů Ÿ Ź Ž Ż Ĳ İ đ § ă ą ć č ď ě ę ğ ĺ ľ ł ń ň ŋ ő ŕ ř",
    )
    | _from(
        177, "ś š ş ť ţ ű ů ÿ ź ž ż ĳ ¡ ¿ £ À Á Â Ã Ä Å Æ Ç È É Ê Ë Ì Í Î Ï Ð Ñ Ò Ó Ô Õ Ö Œ Ø Ù Ú Û Ü Ý Þ ẞ"
    )
    | _from(224, "à á â ã ä å æ ç è é ê ë ì í î ï ð ñ ò ó ô õ ö œ ø ù ú û ü ý þ ß")
)
"""Code -> text in TeX's old and new text encodings."""
TS1 = (
    _from(24, "← →")
    | {36: "$", 39: "'", 42: "∗", 45: "-", 47: "⁄", 60: "〈", 61: "−", 62: "〉", 77: "℧", 79: "◯", 87: "Ω"}
    | _from(48, "0 1 2 3 4 5 6 7 8 9")
    | {91: "⟦", 93: "⟧", 94: "↑", 95: "↓", 96: "`", 100: "†", 110: "♪", 126: "~", 127: "="}
    | _from(128, "˘ ˇ ˝ ‶ † ‡ ‖ ‰ • ℃ $ ¢ ƒ ₡ ₩ ₦ ₲ ₱ ₤ ℞ ‽ ⸘ ₫ ™ ‱ ¶ ฿ № ⁒ ℮ ◦ ℠ ⁅ ⁆")
    | _from(162, "¢ £ ¤ ¥ ¦ § ¨ © ª 🄯 ¬ ℗ ® ¯ ° ± ² ³ ´ µ ¶ · ※ ¹ º √ ¼ ½ ¾ €")
    | {214: "×", 246: "÷"}
)
"""Code -> text in its text companion fonts, which have only signs and old-style figures."""

# Codes that are common characters in one encoding (ff, fi, dashes, quotes) and rare ones in the other.
_OLD_ONLY = frozenset((11, 12, 13, 14, 15, 92, 123, 124))
_NEW_ONLY = frozenset((16, 17, 21, 22, 27, 28, 29, 30, 31, *range(128, 256)))


def bitmap_font_texts(names: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Return code -> text of a font whose glyphs have such names; empty for any other font.

    Which of the encodings it is, the codes that the font has show.

    Args:
        names: codes and names of the glyphs, but for ``.notdef``.
    """
    codes: set[int] = set()
    for code, name in names:
        if name == f"a{code}":
            codes.add(code)
        elif not re.fullmatch(r"a\d+", name):
            return {}
    if codes and codes <= TS1.keys() and not any(chr(code).isalpha() for code in codes if code < 128):
        return {code: TS1[code] for code in codes}
    # The old encoding is the default of TeX, so the new one has to be shown.
    new = len(codes & _NEW_ONLY) > len(codes & _OLD_ONLY)
    table = T1 if new else OT1
    return {code: table[code] for code in codes if code in table}
