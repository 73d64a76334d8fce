"""What a measurement gives, and what is to be reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `reach` is what it should be at least, or at most if `less_is_better`.

    `calibration` is `clock.calibration()` around the measurement.
    """

    what: str
    value: float
    unit: str
    reach: float | None = None
    less_is_better: bool = False
    calibration: float = 0.0

    @property
    def ratio(self) -> float | None:
        """How many times what is to be reached; 1 and above is good. None where that says nothing."""
        if self.reach is None or min(self.value, self.reach) <= 0:
            return None
        return self.reach / self.value if self.less_is_better else self.value / self.reach

    @property
    def reached(self) -> bool | None:
        """Whether it is good enough; None where nothing is asked for."""
        if self.reach is None:
            return None
        return self.value <= self.reach if self.less_is_better else self.value >= self.reach

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ratio": self.ratio, "reached": self.reached}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A measurement that cannot be made here, and what it needs."""

    what: str
    needs: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def per_second(what: str, rate: float, reach: float | None = None) -> Figure:
    """A speed in million instructions per CPU second."""
    return Figure(what, rate, "M/s", reach)


def at_most(what: str, value: float, unit: str, reach: float) -> Figure:
    """A cost, of which less is better."""
    return Figure(what, value, unit, reach, less_is_better=True)
