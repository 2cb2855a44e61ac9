"""Turn specs into locks with the solvers of the field: apt, uv, py-rattler."""
