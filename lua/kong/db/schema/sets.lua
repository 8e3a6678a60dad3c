--- Sets: arrays without repetitions that can be asked `set.member`.
local setmetatable = setmetatable


-- members by set; a set that is no longer used takes its members with it
local MEMBERS = setmetatable({}, { __mode = "k" })


local SET_MT = {
  __index = function(set, key)
    local members = MEMBERS[set]
    return members and members[key]
  end,
}


local sets = {}


--- Makes a set of an array without repetitions.
-- @param array the array, which becomes the set
-- @return the array
function sets.new(array)
  local members = {}
  for i = 1, #array do
    members[array[i]] = true
  end

  MEMBERS[array] = members
  return setmetatable(array, SET_MT)
end


return sets
