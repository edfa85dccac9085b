"""The pytest plugins: options, gate, report and exit code."""
