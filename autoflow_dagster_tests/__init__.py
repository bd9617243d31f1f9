"""Tests of autoflow_dagster."""
