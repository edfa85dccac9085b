"""All that knows pytest: options, the gate, the report."""
