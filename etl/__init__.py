"""Dataframe-based batch ETL for MLB betting data."""
