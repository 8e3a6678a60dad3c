-- Seconds that the counters of each period are kept.
return { second = 1, minute = 60, hour = 3600, day = 86400, month = 2592000, year = 31536000 }
