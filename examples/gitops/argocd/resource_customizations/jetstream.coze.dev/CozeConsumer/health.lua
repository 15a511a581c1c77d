-- The health of a resource of jetstream.coze.dev in Argo CD, after its conditions.
-- The same for every kind; `make generate` copies it from CozeStream to the others.

local function condition(name)
  for _, found in ipairs(obj.status.conditions or {}) do
    if found.type == name then
      return found
    end
  end
  return {}
end

local health = {
  status = "Progressing",
  message = "The operator has not looked at this generation yet",
}
-- A status that is about another generation says nothing about this one.
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end

local ready = condition("Ready")
health.message = ready.message or health.message
if ready.status == "True" then
  -- Also when it is suspended: it is as declared, and later sync waves need not wait.
  health.status = "Healthy"
  local warning = condition("FilterMatchesNothing")
  if warning.status == "True" then
    health.message = warning.message
  elseif obj.spec ~= nil and obj.spec.suspend == true then
    health.message = health.message .. "; suspended, so drift is reported and not corrected"
  end
elseif condition("Stalled").status == "True" then
  health.status = "Degraded"
elseif ready.status == "False" and condition("Reconciling").status ~= "True" then
  -- Not as declared, and left so because somebody said so: suspended, or a dry run.
  health.status = "Suspended"
end
return health
