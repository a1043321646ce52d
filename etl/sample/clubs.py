"""The clubs: names and codes by season, as each source spells them, and what their ballparks do to a game."""

from dataclasses import dataclass

FIRST_SEASON = 1977


@dataclass(frozen=True, slots=True)
class Club:
    """A club by MLB Stats id. `park` is the log of the park's effect on runs (believable, not measured)."""

    club_id: int
    since: int
    league: str
    division: str
    zone: str
    venue_id: int
    venue: str
    park: float


@dataclass(frozen=True, slots=True)
class Name:
    """What a club was called from season `since` on. `archive` is its code in the odds archive."""

    club_id: int
    since: int
    code: str
    city: str
    nickname: str
    feed: str
    archive: str

    @property
    def full(self) -> str:
        """City and nickname; the nickname alone where a club plays without a city."""
        return f"{self.city} {self.nickname}".strip()


CLUBS = (
    Club(108, 1977, "AL", "WEST", "America/Los_Angeles", 1, "Angel Stadium", 0.01),
    Club(109, 1998, "NL", "WEST", "America/Phoenix", 15, "Chase Field", 0.03),
    Club(110, 1977, "AL", "EAST", "America/New_York", 2, "Oriole Park at Camden Yards", 0.01),
    Club(111, 1977, "AL", "EAST", "America/New_York", 3, "Fenway Park", 0.07),
    Club(112, 1977, "NL", "CENTRAL", "America/Chicago", 17, "Wrigley Field", 0.0),
    Club(113, 1977, "NL", "CENTRAL", "America/New_York", 2602, "Great American Ball Park", 0.06),
    Club(114, 1977, "AL", "CENTRAL", "America/New_York", 5, "Progressive Field", 0.0),
    Club(115, 1993, "NL", "WEST", "America/Denver", 19, "Coors Field", 0.22),
    Club(116, 1977, "AL", "CENTRAL", "America/New_York", 2394, "Comerica Park", -0.02),
    Club(117, 1977, "AL", "WEST", "America/Chicago", 2392, "Daikin Park", 0.0),
    Club(118, 1977, "AL", "CENTRAL", "America/Chicago", 7, "Kauffman Stadium", 0.02),
    Club(119, 1977, "NL", "WEST", "America/Los_Angeles", 22, "Dodger Stadium", 0.0),
    Club(120, 1977, "NL", "EAST", "America/New_York", 3309, "Nationals Park", 0.01),
    Club(121, 1977, "NL", "EAST", "America/New_York", 3289, "Citi Field", -0.04),
    Club(133, 1977, "AL", "WEST", "America/Los_Angeles", 10, "Oakland Coliseum", -0.04),
    Club(134, 1977, "NL", "CENTRAL", "America/New_York", 31, "PNC Park", 0.0),
    Club(135, 1977, "NL", "WEST", "America/Los_Angeles", 2680, "Petco Park", -0.05),
    Club(136, 1977, "AL", "WEST", "America/Los_Angeles", 680, "T-Mobile Park", -0.08),
    Club(137, 1977, "NL", "WEST", "America/Los_Angeles", 2395, "Oracle Park", -0.04),
    Club(138, 1977, "NL", "CENTRAL", "America/Chicago", 2889, "Busch Stadium", -0.02),
    Club(139, 1998, "AL", "EAST", "America/New_York", 12, "Tropicana Field", -0.05),
    Club(140, 1977, "AL", "WEST", "America/Chicago", 5325, "Globe Life Field", 0.0),
    Club(141, 1977, "AL", "EAST", "America/Toronto", 14, "Rogers Centre", 0.01),
    Club(142, 1977, "AL", "CENTRAL", "America/Chicago", 3312, "Target Field", 0.01),
    Club(143, 1977, "NL", "EAST", "America/New_York", 2681, "Citizens Bank Park", 0.04),
    Club(144, 1977, "NL", "EAST", "America/New_York", 4705, "Truist Park", 0.02),
    Club(145, 1977, "AL", "CENTRAL", "America/Chicago", 4, "Rate Field", 0.01),
    Club(146, 1993, "NL", "EAST", "America/New_York", 4169, "loanDepot park", -0.02),
    Club(147, 1977, "AL", "EAST", "America/New_York", 3313, "Yankee Stadium", 0.02),
    Club(158, 1977, "NL", "CENTRAL", "America/Chicago", 32, "American Family Field", 0.01),
)

NAMES = (
    Name(108, 1977, "CAL", "California", "Angels", "CAL", "CAL"),
    Name(108, 1997, "ANA", "Anaheim", "Angels", "ANA", "ANA"),
    Name(108, 2005, "LAA", "Los Angeles", "Angels", "LAA", "LAA"),
    Name(109, 1998, "AZ", "Arizona", "Diamondbacks", "ARI", "ARI"),
    Name(110, 1977, "BAL", "Baltimore", "Orioles", "BAL", "BAL"),
    Name(111, 1977, "BOS", "Boston", "Red Sox", "BOS", "BOS"),
    Name(112, 1977, "CHC", "Chicago", "Cubs", "CHC", "CUB"),
    Name(113, 1977, "CIN", "Cincinnati", "Reds", "CIN", "CIN"),
    Name(114, 1977, "CLE", "Cleveland", "Indians", "CLE", "CLE"),
    Name(114, 2022, "CLE", "Cleveland", "Guardians", "CLE", "CLE"),
    Name(115, 1993, "COL", "Colorado", "Rockies", "COL", "COL"),
    Name(116, 1977, "DET", "Detroit", "Tigers", "DET", "DET"),
    Name(117, 1977, "HOU", "Houston", "Astros", "HOU", "HOU"),
    Name(118, 1977, "KC", "Kansas City", "Royals", "KC", "KAN"),
    Name(119, 1977, "LAD", "Los Angeles", "Dodgers", "LAD", "LOS"),
    Name(120, 1977, "MON", "Montreal", "Expos", "MON", "MON"),
    Name(120, 2005, "WSH", "Washington", "Nationals", "WSH", "WAS"),
    Name(121, 1977, "NYM", "New York", "Mets", "NYM", "NYM"),
    Name(133, 1977, "OAK", "Oakland", "Athletics", "OAK", "OAK"),
    Name(133, 2025, "ATH", "", "Athletics", "ATH", "OAK"),
    Name(134, 1977, "PIT", "Pittsburgh", "Pirates", "PIT", "PIT"),
    Name(135, 1977, "SD", "San Diego", "Padres", "SD", "SDG"),
    Name(136, 1977, "SEA", "Seattle", "Mariners", "SEA", "SEA"),
    Name(137, 1977, "SF", "San Francisco", "Giants", "SF", "SFO"),
    Name(138, 1977, "STL", "St. Louis", "Cardinals", "STL", "STL"),
    Name(139, 1998, "TB", "Tampa Bay", "Devil Rays", "TB", "TAM"),
    Name(139, 2008, "TB", "Tampa Bay", "Rays", "TB", "TAM"),
    Name(140, 1977, "TEX", "Texas", "Rangers", "TEX", "TEX"),
    Name(141, 1977, "TOR", "Toronto", "Blue Jays", "TOR", "TOR"),
    Name(142, 1977, "MIN", "Minnesota", "Twins", "MIN", "MIN"),
    Name(143, 1977, "PHI", "Philadelphia", "Phillies", "PHI", "PHI"),
    Name(144, 1977, "ATL", "Atlanta", "Braves", "ATL", "ATL"),
    Name(145, 1977, "CWS", "Chicago", "White Sox", "CWS", "CWS"),
    Name(146, 1993, "FLA", "Florida", "Marlins", "FLA", "FLA"),
    Name(146, 2012, "MIA", "Miami", "Marlins", "MIA", "MIA"),
    Name(147, 1977, "NYY", "New York", "Yankees", "NYY", "NYY"),
    Name(158, 1977, "MIL", "Milwaukee", "Brewers", "MIL", "MIL"),
)

_SHORT = {
    "NYY": "NY Yankees",
    "NYM": "NY Mets",
    "LAD": "LA Dodgers",
    "LAA": "LA Angels",
    "CHC": "Chi Cubs",
    "CWS": "Chi White Sox",
    "KC": "KC Royals",
    "SF": "SF Giants",
    "STL": "StL Cardinals",
}


def name_in(club_id: int, season: int) -> Name:
    """The name of a club in a season."""
    return max((name for name in NAMES if name.club_id == club_id and name.since <= season), key=lambda n: n.since)


def spelling(name: Name, source: str) -> str:
    """A club as one source writes it."""
    match source:
        case "ACTION_NETWORK":
            return name.feed
        case "SPORTSBOOKREVIEW":
            return name.archive
        case "VSIN":
            return _SHORT.get(name.code, name.nickname)
        case "SBD":
            # NOTE: this feed went on with the old name of the club for years after the change.
            return "Indians" if name.nickname == "Guardians" else name.nickname
        case "ODDS_API":
            return name.full.replace("St. Louis", "St Louis")
    return name.full
