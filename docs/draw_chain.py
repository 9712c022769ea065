"""Draw the option chain around the money, as the registry has it: one SVG, no network.

    .venv/bin/python docs/draw_chain.py NIFTY 24512.35 --expiry 2026-08-25 > chain.svg

Strikes go down the middle, calls to the left, puts to the right; the side that is in the money is
shaded, and two arrows show where the price lies between two strikes. It reads on light and on dark.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal
from html import escape
from itertools import pairwise

import instrument_registry as ir
from instrument_registry.lookups.contract_lookups import ChainRow

WIDTH = 940
ROW = 34
TOP = 108
BOTTOM = 46
SIDES = {"call": (20, 392), "put": (548, 920)}

STYLE = """
    .page { fill: #ffffff } .ink { fill: #1f2933 } .quiet { fill: #52606d }
    .row { fill: none; stroke: #cbd2d9 } .deep { fill: #e3effb } .strike { fill: #f1f4f7 }
    .near { fill: #fff1cc; stroke: #b7791f }
    .price { fill: #b3372b }
    text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
    .code { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace }
    @media (prefers-color-scheme: dark) {
      .page { fill: #14181d } .ink { fill: #e6eaee } .quiet { fill: #a3b0bd }
      .row { stroke: #3a444f } .deep { fill: #1d3146 } .strike { fill: #222a32 }
      .near { fill: #4a3b12; stroke: #e0b04a } .price { fill: #ff8f80 }
    }
"""


def draw(chain: Sequence[ChainRow], price: Decimal | float, brokers: tuple[str, str]) -> str:
    """The picture of a chain.

    Args:
        chain: what `around_the_money` answers; not empty, strikes ascending.
        price: what the underlying stands at, in the strikes' unit.
        brokers: whose spelling is shown first, and whose below it.

    Returns:
        An SVG document.

    Raises:
        ValueError: the chain is empty.
    """
    one = next((side for row in chain for side in (row.call, row.put) if side), None)
    if one is None:
        raise ValueError("the chain is empty: nothing is listed there")
    spot = Decimal(str(price))
    nearest = min(range(len(chain)), key=lambda at: (abs(chain[at].strike - spot), at))
    height = TOP + ROW * len(chain) + BOTTOM
    expiry = f"{one.expiry:%d %B %Y}".lstrip("0") if one.expiry else ""
    lot = next((listed["lot_size"] for listed in one.brokers.values()), 0)
    said = f"{one.underlying} options of {expiry}, around {spot}"
    box = f'viewBox="0 0 {WIDTH} {height}"'
    legend = (
        f"{one.exchange}, lot {lot}; each side as {brokers[0]} spells it, below as {brokers[1]} "
        "does; shaded: in the money"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-labelledby="t d">',
        f'  <title id="t">{escape(said)}</title>',
        f'  <desc id="d">{escape(_in_words(chain, nearest))}</desc>',
        f"  <style>{STYLE}  </style>",
        f'  <rect class="page" width="{WIDTH}" height="{height}"/>',
        _text(20, 34, "ink", said, size=19, weight=600),
        _text(20, 58, "quiet", legend),
        _text(sum(SIDES["call"]) / 2, 94, "ink", "calls", weight=600, anchor="middle"),
        _text(WIDTH / 2, 94, "ink", "strike", weight=600, anchor="middle"),
        _text(sum(SIDES["put"]) / 2, 94, "ink", "puts", weight=600, anchor="middle"),
    ]
    for at, row in enumerate(chain):
        parts += _row(TOP + ROW * at, row, spot, brokers, is_nearest=at == nearest)
    parts += _spot(chain, spot)
    return "\n".join([*parts, "</svg>", ""])


def _row(
    top: int, row: ChainRow, spot: Decimal, brokers: tuple[str, str], *, is_nearest: bool
) -> list[str]:
    middle = WIDTH / 2
    parts = [
        _box("near" if is_nearest else "strike", (middle - 58, middle + 58), top),
        _text(middle, top + 22, "ink", f"{row.strike:f}", size=15, weight=600, anchor="middle"),
    ]
    for name, side, is_deep in (
        ("call", row.call, row.strike < spot),
        ("put", row.put, row.strike > spot),
    ):
        left, right = SIDES[name]
        parts.append(_box("row deep" if is_deep else "row", SIDES[name], top))
        if side is None:
            parts.append(
                _text((left + right) / 2, top + 21, "quiet", "not listed", anchor="middle")
            )
            continue
        for broker, line, ink in zip(brokers, (15, 28), ("ink", "quiet"), strict=True):
            found = side.brokers.get(broker)
            symbol = found["tradingsymbol"] if found else f"not at {broker}"
            token = f"token {found['symboltoken']}" if found else ""
            kind, y = f"{ink} code", top + line
            parts.append(_text(left + 10, y, kind, symbol, size=11.5))
            parts.append(_text(right - 10, y, kind, token, size=11.5, anchor="end"))
    return parts


def _spot(chain: Sequence[ChainRow], spot: Decimal) -> list[str]:
    """Arrows where the price lies between two strikes' middles; none if it lies outside."""
    for at, (lower, upper) in enumerate(pairwise(chain)):
        if lower.strike <= spot <= upper.strike:
            share = float((spot - lower.strike) / (upper.strike - lower.strike))
            y = round(TOP + ROW * (at + 0.5 + share), 1)
            left, right = SIDES["call"][1] + 5, SIDES["put"][0] - 5
            note = f"between the arrows: {spot}"
            return [
                f'  <path class="price" d="M{left} {y - 6:g}l14 6 -14 6z"/>',
                f'  <path class="price" d="M{right} {y - 6:g}l-14 6 14 6z"/>',
                _text(WIDTH / 2, TOP + ROW * len(chain) + 26, "price", note, anchor="middle"),
            ]
    return []


def _box(kind: str, sides: tuple[float, float], top: int) -> str:
    left, right = sides
    return (
        f'  <rect class="{kind}" x="{left:g}" y="{top + 2}" width="{right - left:g}" '
        f'height="{ROW - 4}" rx="5"/>'
    )


def _in_words(chain: Sequence[ChainRow], nearest: int) -> str:
    return (
        f"{len(chain)} strikes from {chain[0].strike:f} to {chain[-1].strike:f}; nearest to the "
        f"price is {chain[nearest].strike:f}. Calls to the left, puts to the right, each with its "
        "symbol and token."
    )


def _text(
    x: float, y: float, kind: str, text: str, *, size: float = 13, weight: int = 400,
    anchor: str = "start",
) -> str:  # fmt: skip
    return (
        f'  <text class="{kind}" x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def main() -> None:
    """Draw the chain of the registry that this environment has, to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("underlying")
    parser.add_argument("price", type=Decimal)
    parser.add_argument("--expiry", help="YYYY-MM-DD; the nearest if it is not given")
    parser.add_argument("--each-side", type=int, default=5)
    parser.add_argument("--brokers", nargs=2, default=("zerodha", "angel_one"))
    said = parser.parse_args()
    registry = ir.get_registry()
    chain = registry.around_the_money(
        said.underlying, said.price, said.expiry, each_side=said.each_side
    )
    try:
        sys.stdout.write(draw(chain, said.price, tuple(said.brokers)))
    except ValueError as error:
        parser.error(f"{said.underlying}: {error}")


if __name__ == "__main__":
    main()
