"""Tasks: one YAML file each (`schema`), read into canonical examples (`load`), made harder by knobs (`knobs`)."""
