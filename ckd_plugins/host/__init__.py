"""The only room that imports RecBole: its compatibility, datasets, models, trainers and training rows."""
