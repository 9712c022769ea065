"""The shares, bonds, funds and indices of the sample."""

from __future__ import annotations

from collections.abc import Iterator

from loader.sample_contracts import Row

# Kite's own index tokens: exchange tokens of the rows that every consumer looks for.
INDEX_TOKENS = {
    ("NSE", "NIFTY 50"): 1001,
    ("NSE", "NIFTY BANK"): 1016,
    ("BSE", "SENSEX"): 1,
    ("NSEIX", "GIFT NIFTY"): 1140,
}
SHARE_TOKENS = {
    ("NSE", "RELIANCE"): 2885,
    # The real clash: NIFTY 50 has exchange token 1001 too.
    ("NSE", "94SFL28-YL"): 1001,
}

_NSE_INDICES = (
    "NIFTY 50", "NIFTY BANK", "NIFTY NEXT 50", "NIFTY FIN SERVICE", "NIFTY MID SELECT",
    "NIFTY 100", "NIFTY 200", "NIFTY 500", "NIFTY IT", "NIFTY PHARMA", "NIFTY AUTO",
    "NIFTY FMCG", "NIFTY METAL", "NIFTY REALTY", "NIFTY MEDIA", "NIFTY ENERGY", "NIFTYFPI",
    "NIFTY PSU BANK", "NIFTY MIDCAP 100", "NIFTY SMLCAP 100", "INDIA VIX", "HANGSENG BEES-NAV",
)  # fmt: skip
_BSE_INDICES = {
    "SENSEX": "BSE SENSEX", "BANKEX": "BSE BANKEX", "SENSEX50": "BSE SENSEX 50",
    "SNXT50": "BSE SENSEX NEXT 50", "BSE100": "BSE 100", "BSE500": "BSE 500",
    "AUTO": "BSE AUTO", "TELCOM": "BSE TELECOMMUNICATION", "METAL": "BSE METAL",
}  # fmt: skip
_GLOBAL = {
    "^HSI": "HANG SENG", "^DJI": "DOW JONES", "^N225": "NIKKEI 225", "^GDAXI": "DAX",
    "^FTSE": "FTSE 100", "^FCHI": "CAC 40", "^GSPC": "S&P 500", "^IXIC": "NASDAQ COMPOSITE",
    "^TWII": "TAIWAN WEIGHTED", "^KS11": "KOSPI", "^STI": "STRAITS TIMES", "DOW FUTURES": "US 30",
}  # fmt: skip
_NCO_SPOT = ("GOLD", "SILVER", "SILVERMIC", "CRUDEOIL", "NATURALGAS", "COPPER", "ZINC")

# Real names first: the derivatives' underlyings, and symbols that a parser could trip over.
_KNOWN = {
    "RELIANCE": "RELIANCE INDUSTRIES", "HDFCBANK": "HDFC BANK", "INFY": "INFOSYS",
    "TCS": "TATA CONSULTANCY SERV LT", "ICICIBANK": "ICICI BANK", "SBIN": "STATE BANK OF INDIA",
    "M&M": "MAHINDRA & MAHINDRA", "BAJAJ-AUTO": "BAJAJ AUTO", "ADANIENT": "ADANI ENTERPRISES",
    "360ONE": "360 ONE WAM", "LT": "LARSEN & TOUBRO", "IDEA": "VODAFONE IDEA", "ITC": "ITC",
    "BHARTIARTL": "BHARTI AIRTEL", "AXISBANK": "AXIS BANK", "KOTAKBANK": "KOTAK MAHINDRA BANK",
    "TATASTEEL": "TATA STEEL", "MARUTI": "MARUTI SUZUKI INDIA", "SUNPHARMA": "SUN PHARMACEUTICAL",
    "WIPRO": "WIPRO", "NTPC": "NTPC", "ONGC": "OIL AND NATURAL GAS CORP.", "GAIL": "GAIL (INDIA)",
    "HINDPETRO": "HINDUSTAN PETROLEUM CORP", "PIDILITIND": "PIDILITE INDUSTRIES",
    "J&KBANK": "JAMMU & KASHMIR BANK", "ARE&M": "AMARA RAJA ENERGY MOB",
    "NIFTYBEES": "NIPPON INDIA ETF NIFTY 50 BEES", "BANKBEES": "NIPPON INDIA ETF BANK BEES",
    "NIFTYIETF": "ICICI PRUDENTIAL NIFTY ETF", "BANKNIFTY1": "KOTAK NIFTY BANK ETF",
    "SENSEXETF": "SBI BSE SENSEX ETF", "94SFL28-YL": "SHRIRAM FINANCE, 9.4% 2028",
    "8.9JSWSL30": 'JSW STEEL "SERIES I" 8.9%', "PILANI INVE": "PILANI INV, IND CORP",
}  # fmt: skip
_NOT_WRITTEN_ON = 27  # the names from here on in `_KNOWN` have no futures and options
_SYLLABLES = tuple(
    f"{first}{vowel}{last}" for first in "BDGHKLMNPRSTVJ" for vowel in "AEIOU" for last in "LNRST"
)
_CODES = len(_SYLLABLES) ** 3
_STRIDE = 15_485_863  # a prime: steps through every code before it meets one again
# Kite's series, about as often as on NSE: most rows are bonds, a sixth of names are blank.
_SERIES = (
    "",
    "",
    "-SG",
    "",
    "-SG",
    "-N0",
    "",
    "-SG",
    "",
    "-SM",
    "",
    "-SG",
    "-BE",
    "",
    "-ST",
    "-GS",
)
_BLANK_SERIES = ("-N0", "-GS", "-ST")
_ENDS = ("INDUSTRIES", "LTD.", "FINANCE", "PHARMA", "TEXTILES", "CHEMICALS", "INFRA", "FOODS")


def company(number: int) -> tuple[str, str]:
    """The symbol and name of the share with this number, from 0; no two share a symbol."""
    known = tuple(_KNOWN.items())
    if number < len(known):
        return known[number]
    code = (number * _STRIDE) % _CODES
    high, low = divmod(code, len(_SYLLABLES))
    high, middle = divmod(high, len(_SYLLABLES))
    symbol = f"{_SYLLABLES[high]}{_SYLLABLES[middle]}{_SYLLABLES[low]}"
    name = f"{symbol.title().upper()} {_ENDS[number % len(_ENDS)]}"
    if number % 211 == 0:
        name = f"{symbol}, SONS & CO"
    if number % 997 == 0:
        name = f'{symbol} "NEW" {_ENDS[number % len(_ENDS)]}'
    return symbol, name


def written_on(number: int) -> list[str]:
    """The symbols of the first `number` shares that have futures and options."""
    generated = range(len(_KNOWN), len(_KNOWN) + max(0, number - _NOT_WRITTEN_ON))
    names = [*list(_KNOWN)[:_NOT_WRITTEN_ON], *(company(i)[0] for i in generated)]
    return names[:number]


def indices() -> Iterator[Row]:
    """Yield the index rows of every exchange, and NCO's spot rows."""
    rows = [
        *(("NSE", name, name) for name in _NSE_INDICES),
        *(("BSE", symbol, name) for symbol, name in _BSE_INDICES.items()),
        *(("GLOBAL", symbol, name) for symbol, name in _GLOBAL.items()),
        ("NSEIX", "GIFT NIFTY", "GIFT NIFTY"),
    ]
    for exchange, symbol, name in rows:
        yield Row(symbol, name, "", "0", "0", 0, "EQ", "INDICES", exchange)
    for name in _NCO_SPOT:
        yield Row(name, name, "", "0", "1", 1, "EQ", "NCO", "NCO")


def nse_shares(number: int) -> Iterator[Row]:
    """Yield `number` cash rows of NSE."""
    for i in range(number):
        symbol, name = company(i)
        series = _SERIES[i % len(_SERIES)] if i >= len(_KNOWN) else ""
        lot = {"-SG": 100, "-SM": 1_200, "-GS": 100}.get(series, 1)
        tick = ("0.01", "0.05", "0.1")[i % 3] if lot == 1 else "0.01"
        shown = "" if series in _BLANK_SERIES else name
        yield Row(symbol + series, shown, "", "0", tick, lot, "EQ", "NSE", "NSE")


def bse_shares(number: int) -> Iterator[Row]:
    """Yield `number` cash rows of BSE: the same companies, spelled its way."""
    for i in range(number):
        symbol, name = company(i)
        yield Row(symbol, f"{name} LTD", "", "0", "0.01", 1, "EQ", "BSE", "BSE")
