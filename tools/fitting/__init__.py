"""Laws from tables of runs: reading, fitting, spread, diagnosis, forecasts and plans of runs. See tools.fit and tools.design."""
