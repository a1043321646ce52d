-- The legacy database, layout "core_betting": one table for each market, as the oldest installations hold it.
-- `etl sample create --layout core_betting` makes these tables; of a real installation they are only read.
create schema if not exists core_betting;
create table core_betting.sportsbooks (
  id int primary key, name varchar(50) not null unique, display_name varchar(100), is_active boolean default true, created_at timestamptz default now()
);
create table core_betting.teams (
  id int primary key, team_id int not null unique, full_name varchar(100) not null, display_name varchar(50) not null, short_name varchar(50) not null,
  location varchar(50) not null, abbr varchar(5) not null, conference_type varchar(2), division_type varchar(10),
  created_at timestamptz not null default now(), updated_at timestamptz
);
create table core_betting.games (
  id int primary key,
  sportsbookreview_game_id varchar(100), mlb_stats_api_game_id varchar(20), action_network_game_id int, vsin_game_id varchar(50),
  home_team varchar(50) not null, away_team varchar(50) not null, game_date date not null, game_datetime timestamptz not null,
  game_status varchar(20) not null default 'scheduled', home_score int, away_score int, winning_team varchar(50),
  venue_name varchar(200), venue_id int, season int, season_type varchar(20) default 'regular', game_type varchar(20) default 'regular',
  weather_condition varchar(20), temperature int, wind_speed int, wind_direction varchar(10), humidity int,
  data_quality varchar(20) default 'MEDIUM', mlb_correlation_confidence numeric(5,4), has_mlb_enrichment boolean default false,
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create table core_betting.game_outcomes (
  id int primary key, game_id int not null references core_betting.games (id), home_team varchar(50) not null, away_team varchar(50) not null,
  home_score int not null, away_score int not null, home_win boolean not null, over boolean not null, home_cover_spread boolean,
  total_line double precision, home_spread_line double precision, game_date timestamptz not null,
  created_at timestamptz default now(), updated_at timestamptz default now(), unique (game_id)
);
-- Ids repeat between the three tables: (market, id) is what names a line in this layout.
create table core_betting.betting_lines_moneyline (
  id int primary key, game_id int references core_betting.games (id), sportsbook_id int, sportsbook varchar(50) not null,
  home_ml int, away_ml int, odds_timestamp timestamptz not null, home_team varchar(50), away_team varchar(50),
  home_bets_count int, away_bets_count int, home_bets_percentage numeric(5,2), away_bets_percentage numeric(5,2),
  home_money_percentage numeric(5,2), away_money_percentage numeric(5,2),
  source varchar(30), data_quality varchar(20), data_completeness_score numeric(3,2), source_metadata jsonb, collection_batch_id uuid,
  source_reliability_score numeric(3,2), collection_method varchar(20), external_source_id varchar(100), source_api_version varchar(10),
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create table core_betting.betting_lines_spread (
  id int primary key, game_id int references core_betting.games (id), sportsbook_id int, sportsbook varchar(50) not null,
  spread_line numeric(5,1), home_spread_price int, away_spread_price int, odds_timestamp timestamptz not null, home_team varchar(50), away_team varchar(50),
  home_bets_count int, away_bets_count int, home_bets_percentage numeric(5,2), away_bets_percentage numeric(5,2),
  home_money_percentage numeric(5,2), away_money_percentage numeric(5,2),
  source varchar(30), data_quality varchar(20), data_completeness_score numeric(3,2), source_metadata jsonb, collection_batch_id uuid,
  source_reliability_score numeric(3,2), collection_method varchar(20), external_source_id varchar(100), source_api_version varchar(10),
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create table core_betting.betting_lines_totals (
  id int primary key, game_id int references core_betting.games (id), sportsbook_id int, sportsbook varchar(50) not null,
  total_line numeric(5,1), over_price int, under_price int, odds_timestamp timestamptz not null, home_team varchar(50), away_team varchar(50),
  over_bets_count int, under_bets_count int, over_bets_percentage numeric(5,2), under_bets_percentage numeric(5,2),
  over_money_percentage numeric(5,2), under_money_percentage numeric(5,2),
  source varchar(30), data_quality varchar(20), data_completeness_score numeric(3,2), source_metadata jsonb, collection_batch_id uuid,
  source_reliability_score numeric(3,2), collection_method varchar(20), external_source_id varchar(100), source_api_version varchar(10),
  created_at timestamptz default now(), updated_at timestamptz default now()
);
