"""Looking around among features without labels: what is alike, far off, or stands for others."""
