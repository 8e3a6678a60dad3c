-- resty.openssl.asn1: times as certificates write them.
local byte, match, sub = string.byte, string.match, string.sub
local floor = math.floor
local tonumber, type = tonumber, type

local _M = {}

-- Days since 1970 of a date.
local function days(year, month, day)
  if month <= 2 then
    year = year - 1
  end
  local era = floor(year / 400)
  local of_era = year - era * 400
  local shifted = (month + 9) % 12
  local of_year = floor((153 * shifted + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + floor(of_era / 4) - floor(of_era / 100) + of_year - 719468
end

-- Seconds since 1970 of a UTCTime or GeneralizedTime.
function _M.asn1_to_unix(text)
  if type(text) ~= "string" then
    return nil, "asn1_to_unix: expect a string"
  end
  local year, rest = match(text, "^(%d%d%d%d)(%d%d%d%d%d%d%d%d%d%d.*)$")
  if not year then
    year, rest = match(text, "^(%d%d)(%d%d%d%d%d%d%d%d%d%d.*)$")
    if not year then
      return nil, "asn1.asn1_to_unix: invalid time"
    end
    year = tonumber(year) < 50 and 2000 + tonumber(year) or 1900 + tonumber(year)
  end
  local month, day, hour, minute, second, zone = match(rest, "^(%d%d)(%d%d)(%d%d)(%d%d)(%d%d)(.*)$")
  local offset = 0
  if zone and (byte(zone) == 0x2b or byte(zone) == 0x2d) then
    local hours, minutes = match(sub(zone, 2), "^(%d%d)(%d%d)")
    offset = (tonumber(hours) * 60 + tonumber(minutes)) * 60 * (byte(zone) == 0x2b and 1 or -1)
  end
  return days(tonumber(year), tonumber(month), tonumber(day)) * 86400
    + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second) - offset
end

return _M
