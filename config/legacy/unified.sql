-- The legacy database, layout "unified": the lines of all three markets share one table and the columns of the other
-- markets are null on each row. `etl sample create` makes these tables; of a real installation they are only read.
create schema if not exists curated;

create table curated.sportsbooks (
  id int primary key, name varchar(50) not null unique, display_name varchar(100),
  is_active boolean default true, created_at timestamptz default now()
);
create table curated.teams_master (
  id int primary key, team_id int not null unique,          -- MLB Stats API team id
  full_name varchar(100) not null, display_name varchar(50) not null, short_name varchar(50) not null,
  location varchar(50) not null, abbr varchar(5) not null,
  conference_type varchar(2) check (conference_type in ('AL', 'NL')),
  division_type varchar(10) check (division_type in ('EAST', 'CENTRAL', 'WEST')),
  created_at timestamptz not null default now(), updated_at timestamptz
);
create table curated.games_complete (
  id int primary key,
  sportsbookreview_game_id varchar(100), mlb_stats_api_game_id varchar(20), action_network_game_id int, vsin_game_id varchar(50),
  home_team varchar(50) not null, away_team varchar(50) not null,   -- whatever spelling the source used
  game_date date not null, game_datetime timestamptz not null,
  game_status varchar(20) not null default 'scheduled',             -- scheduled | completed | postponed | cancelled | suspended
  home_score int, away_score int, winning_team varchar(50),
  venue_name varchar(200), venue_id int, season int, season_type varchar(20) default 'regular', game_type varchar(20) default 'regular',
  weather_condition varchar(20), temperature int, wind_speed int, wind_direction varchar(10), humidity int,
  data_quality varchar(20) default 'MEDIUM', mlb_correlation_confidence numeric(5,4), has_mlb_enrichment boolean default false,
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create table curated.game_outcomes (
  id int primary key, game_id int not null references curated.games_complete (id),
  home_team varchar(50) not null, away_team varchar(50) not null, home_score int not null, away_score int not null,
  home_win boolean not null, over boolean not null, home_cover_spread boolean,   -- booleans are wrong on ties and pushes: settle from the scores
  total_line double precision, home_spread_line double precision, game_date timestamptz not null,
  created_at timestamptz default now(), updated_at timestamptz default now(), unique (game_id)
);
create table curated.betting_lines_unified (
  id bigint primary key,
  game_id int references curated.games_complete (id),
  sportsbook_id int references curated.sportsbooks (id), sportsbook varchar(50),
  market_type varchar(20) not null check (market_type in ('moneyline', 'spread', 'totals')),
  home_team varchar(50), away_team varchar(50), odds_timestamp timestamptz,
  home_ml int, away_ml int,                                               -- moneyline, American odds
  spread_line numeric(5,1), home_spread_price int, away_spread_price int,  -- spread: runs added to the home score, American odds
  total_line numeric(5,1), over_price int, under_price int,                -- totals: runs, American odds
  home_bets_count int, away_bets_count int, over_bets_count int, under_bets_count int,
  home_bets_percentage numeric(5,2), away_bets_percentage numeric(5,2), home_money_percentage numeric(5,2), away_money_percentage numeric(5,2),
  over_bets_percentage numeric(5,2), under_bets_percentage numeric(5,2), over_money_percentage numeric(5,2), under_money_percentage numeric(5,2),
  source varchar(30), data_quality varchar(20), data_completeness_score numeric(3,2), source_metadata jsonb default '{}',
  collection_batch_id uuid, source_reliability_score numeric(3,2), collection_method varchar(20), external_source_id varchar(100), source_api_version varchar(10),
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create index on curated.betting_lines_unified (game_id, sportsbook_id, market_type);
create index on curated.betting_lines_unified (updated_at, id);
