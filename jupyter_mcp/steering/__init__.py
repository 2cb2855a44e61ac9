"""What people see of agents and decide about them: the gate before all tools, and what it tells and asks."""
