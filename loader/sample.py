from datetime import date
from collections.abc import Iterator


def sample_chunks(*, rows: int, as_of: date, seed: int = 1) -> Iterator[bytes]:
    yield b""
