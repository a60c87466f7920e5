"""Pictures of stored images, made in processes of their own: what decodes them reads bytes of strangers."""
