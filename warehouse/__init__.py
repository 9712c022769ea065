"""Settings, embedded servers, pipeline, ledger and command line of the instrument warehouse."""
