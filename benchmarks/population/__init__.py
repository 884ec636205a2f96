"""Made-up children of England, their households and what agencies write of them: registers and events with known truth.

Everything follows from a seed and from `Rates`. Names come from the shipped tables and from made-up ones that no table knows;
nobody here exists: NHS numbers are of the synthetic 999 range, postcodes are drawn, not looked up.
"""

from benchmarks.population.events import Door, Event, Kind, natural, stress
from benchmarks.population.people import Child, Population
from benchmarks.population.rates import Rates
from benchmarks.population.register import register

__all__ = ["Child", "Door", "Event", "Kind", "Population", "Rates", "natural", "register", "stress"]
