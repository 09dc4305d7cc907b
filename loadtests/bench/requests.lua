-- wrk script: sends the requests of the file named in REQUESTS, once each. NUL stands between them.
local requests, next_index = {}, 0
function init()
  for request in io.open(os.getenv("REQUESTS"), "rb"):read("*a"):gmatch("%Z+") do
    requests[#requests + 1] = request
  end
end
function request()
  next_index = next_index + 1
  return requests[next_index] or error("ran out of signed requests")
end
