-- resty.tablepool: another name of tablepool.
return require "tablepool"
