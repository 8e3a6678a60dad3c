-- Calendar arithmetic in UTC: where the current second, minute, hour, day, month and year began.

local ngx = ngx
local floor = math.floor
local setmetatable, tonumber = setmetatable, tonumber

local DAY = 86400
-- Seconds to the year 20000: a larger number is taken for milliseconds.
local MILLISECONDS_FROM = 568971820800

local _M = {
  timestamp_table_fields = { "second", "minute", "hour", "day", "month", "year" },
}


-- Days from 1970-01-01 to a date of the proleptic Gregorian calendar, by counting in eras of 400
-- years that begin in March, so that the leap day is the last of its year.
local function days_of(year, month, day)
  if month <= 2 then
    year = year - 1
    month = month + 12
  end
  local era = floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = floor((153 * (month - 3) + 2) / 5) + day - 1
  local day_of_era = year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100) + day_of_year
  return era * 146097 + day_of_era - 719468
end


-- Year, month and day of a number of days since 1970-01-01: the inverse of days_of.
local function date_of(days)
  days = days + 719468
  local era = floor(days / 146097)
  local day_of_era = days - era * 146097
  local year_of_era = floor((day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524)
                             - floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local shifted = floor((5 * day_of_year + 2) / 153)
  local day = day_of_year - floor((153 * shifted + 2) / 5) + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400
  return month <= 2 and year + 1 or year, month, day
end


local timetable = {}
timetable.__index = timetable

-- Seconds since the epoch that the fields stand for.
function timetable:timestamp()
  return days_of(self.year, self.month, self.day) * DAY + self.hour * 3600 + self.min * 60 + self.sec
end


local function seconds_of(now)
  now = now or _M.get_utc()
  return now > MILLISECONDS_FROM and now / 1000 or now
end


-- Milliseconds since the epoch, whole seconds only.
function _M.get_utc()
  return ngx.time() * 1000
end


-- Milliseconds since the epoch.
function _M.get_utc_ms()
  return ngx.now() * 1000
end


-- The calendar fields of a time in seconds or milliseconds; now by default.
function _M.get_timetable(now)
  local seconds = seconds_of(now)
  local days = floor(seconds / DAY)
  local rest = seconds - days * DAY
  local year, month, day = date_of(days)
  return setmetatable({
    year = year, month = month, day = day,
    hour = floor(rest / 3600), min = floor(rest % 3600 / 60), sec = rest % 60,
    wday = (days + 4) % 7 + 1, yday = days - days_of(year, 1, 1) + 1,
  }, timetable)
end


-- When the periods that hold a time began, in milliseconds: second, minute, hour, day, month, year.
function _M.get_timestamps(now)
  local second = floor(seconds_of(tonumber(now)))
  local days = floor(second / DAY)
  local year, month = date_of(days)
  return {
    second = second * 1000,
    minute = (second - second % 60) * 1000,
    hour = (second - second % 3600) * 1000,
    day = days * DAY * 1000,
    month = days_of(year, month, 1) * DAY * 1000,
    year = days_of(year, 1, 1) * DAY * 1000,
  }
end


local last, began

-- As get_timestamps, for whoever asks for the same time again and again: the table is kept, and must
-- not be changed.
function _M.periods_at(now)
  if now ~= last then
    last, began = now, _M.get_timestamps(now)
  end
  return began
end


return _M
