-- resty.sha: the name of the family of digests.
return { _VERSION = "0.15" }
