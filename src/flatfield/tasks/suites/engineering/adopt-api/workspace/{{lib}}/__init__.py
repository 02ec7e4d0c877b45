"""What our programs share; CHANGELOG.md says what changed."""

from {{lib}}.numbers import cents
from {{lib}}.rows import chunks, find, first, keyed, ordered
from {{lib}}.texts import duration, split
from {{lib}}.times import Period

__version__ = "3.0.0"
__all__ = ["Period", "cents", "chunks", "duration", "find", "first", "keyed", "ordered", "split"]
