local NEED, FRAME, BLANK, BROKEN = 1, 2, 3, 4
local OVER_LIMIT = "the message is over the limit of its framing"

-- ---- arithmetic that every version of Lua has ----

local function uint(s, at, width, little)
    local value = 0
    for i = 0, width - 1 do
        value = value * 256 + s:byte(little and at + width - 1 - i or at + i)
    end
    return value
end

local function band(one, other)
    local result, bit = 0, 1
    while one > 0 and other > 0 do
        if one % 2 == 1 and other % 2 == 1 then result = result + bit end
        one, other, bit = math.floor(one / 2), math.floor(other / 2), bit * 2
    end
    return result
end

local function padded(length, unit)
    return math.ceil(length / unit) * unit
end

-- ---- framings: each returns a function that finds the frame at `at` of the bytes `s` ----
-- It returns NEED and the number of bytes that are missing, if that is known; FRAME, where the payload starts and
-- ends in the frame, and the frame's size; BLANK and a number of bytes to pass over; or BROKEN and why.

-- A frame with a header, a payload of `length` bytes and a trailer. `keep`: the header is part of the payload.
local function whole(s, at, max, header, length, trailer, keep)
    local start = keep and 0 or header
    local stop = header + length
    local total = stop + #trailer
    if stop - start > max then return BROKEN, OVER_LIMIT end
    local have = #s - at + 1
    if have < total then return NEED, total - have end
    if s:sub(at + stop, at + total - 1) ~= trailer then return BROKEN, "the trailer of the frame is wrong" end
    return FRAME, start, stop, total
end

local function length(c)
    return function(s, at, max)
        local have = #s - at + 1
        if have < c.seen then return NEED, c.seen - have end
        local little = c.little
        if c.bit then little = band(s:byte(at + c.bit.offset), c.bit.mask) ~= 0 end
        local value, body = uint(s, at + c.offset, c.width, little), 0
        if c.bcd then
            local digits = 0
            for i = 0, c.width - 1 do
                local byte = s:byte(at + c.offset + (little and c.width - 1 - i or i))
                local high, low = math.floor(byte / 16), byte % 16
                if high > 9 or low > 9 then return BROKEN, "the length is not in decimal digits" end
                digits = digits * 100 + high * 10 + low
            end
            value = digits
        end
        if not (c.none and value == c.none) then
            if c.signed and value >= 2 ^ (8 * c.width - 1) then return BROKEN, "the length is negative" end
            body = (c.mask and band(value, c.mask) or value) * c.unit + c.adjust
            if body < 0 then return BROKEN, "the length is less than what it counts of the header" end
            if c.plus then
                body = body + padded(uint(s, at + c.plus.offset, c.plus.width, little) * c.plus.unit, c.plus.align)
            end
            local least = math.max(0, (c.keep and c.seen or c.start) - c.offset - c.width) + #c.trailer
            if body < least then return BROKEN, "the length makes no frame here" end
        end
        local total = padded(c.offset + c.width + body, c.align)
        local stop = c.offset + c.width + body - #c.trailer
        if stop - c.start > max then return BROKEN, OVER_LIMIT end
        if have < total then return NEED, total - have end
        if s:sub(at + stop, at + stop + #c.trailer - 1) ~= c.trailer then
            return BROKEN, "the trailer of the frame is wrong"
        end
        return FRAME, c.start, stop, total
    end
end

local function line(c)
    return function(s, at, max)
        local lf = s:find("\n", at, true)
        if not lf then return NEED end
        local stop = lf - at
        if not c.keep_cr and stop > 0 and s:byte(lf - 1) == 13 then stop = stop - 1 end
        if stop > max then return BROKEN, OVER_LIMIT end
        return FRAME, 0, stop, lf - at + 1
    end
end

local function delimited(c)
    return function(s, at, max)
        local found = s:find(c.ending, at, true)
        if not found then return NEED end
        local stop, total = found - at, found - at + #c.ending
        if c.keep then stop = total end
        if stop > max then return BROKEN, OVER_LIMIT end
        return FRAME, 0, stop, total
    end
end

local function between(c)
    return function(s, at, max)
        local start = s:sub(at, at + #c.start - 1)
        if start ~= c.start:sub(1, #start) then return BROKEN, "the start of the frame is wrong" end
        if #start < #c.start then return NEED, #c.start - #start end
        local found = s:find(c.ending, at + #c.start, true)
        if not found then return NEED end
        if found - at - #c.start > max then return BROKEN, OVER_LIMIT end
        return FRAME, #c.start, found - at, found - at + #c.ending
    end
end

local function fixed(c)
    return function(s, at, max)
        return whole(s, at, max, 0, c.size, "", false)
    end
end

local function varint(c)
    return function(s, at, max)
        local value = 0
        for i = 0, c.most - 1 do
            local byte = s:byte(at + c.offset + i)
            if not byte then return NEED end
            value = value + (byte % 128) * 128 ^ i
            if byte < 128 then return whole(s, at, max, c.offset + i + 1, value, "", c.offset > 0) end
        end
        return BROKEN, "the length does not end"
    end
end

local function digits(c)
    return function(s, at, max)
        local header = c.offset + c.width
        local have = #s - at + 1
        if have < header then return NEED, header - have end
        local field = s:sub(at + c.offset, at + header - 1)
        if c.radix == 10 then field = field:match("^ *([^ %z]*)[ %z]*$") or "" end
        local value = field:match("^%x+$") and tonumber(field, c.radix)
        if not value then return BROKEN, "expected a length in digits" end
        value = c.itself and math.max(0, value - c.width) or value + c.adjust
        if value < 0 then return BROKEN, "the length is less than what it counts of the header" end
        return whole(s, at, max, header, value, "", c.itself or c.offset > 0)
    end
end

local function count(c)
    return function(s, at, max)
        local value = 0
        for i = 0, c.most do
            local byte = s:byte(at + i)
            if not byte then return NEED end
            if byte == c.ending and i > 0 then return whole(s, at, max, i + 1, value, c.trailer, false) end
            if byte < 48 or byte > 57 or i == c.most then return BROKEN, "expected a length in digits" end
            if i > 0 and s:byte(at) == 48 and not c.padded or byte == 48 and i == 0 and not c.zero then
                return BROKEN, "the length begins with a zero"
            end
            value = value * 10 + byte - 48
        end
        return BROKEN, "expected a length in digits"
    end
end

local function headers(c)
    return function(s, at, max)
        local value, from = nil, at
        while true do
            local lf = s:find("\n", from, true)
            if not lf then
                if #s - at + 1 >= c.most then return BROKEN, "the header block is too long" end
                return NEED
            end
            if lf == from or s:byte(lf - 1) ~= 13 then return BROKEN, "a header line ends in LF alone" end
            local text = s:sub(from, lf - 2)
            from = lf + 1
            if text == "" then break end
            local name, rest = text:match("^([^:]+):%s*(.-)%s*$")
            if not name then return BROKEN, "expected a header line" end
            if name:lower() == "content-length" then
                local new = rest:match("^%d+$") and tonumber(rest)
                if not new or value and value ~= new then return BROKEN, "Content-Length is not a length" end
                value = new
            end
        end
        if not value then return BROKEN, "the header block has no Content-Length" end
        return whole(s, at, max, from - at, value, "", c.keep)
    end
end

-- Finds the end of a JSON value. It does not check the value.
local function json()
    local words = { t = 4, f = 5, n = 4 }
    return function(s, at, max)
        local blank = s:match("^[ \t\r\n]+", at)
        if blank then return BLANK, #blank end
        local first = s:sub(at, at)
        if words[first] then return whole(s, at, max, 0, words[first], "", false) end
        local stop
        if first:match("[%d%-]") then
            local after = s:find("[ \t\r\n{%[\"]", at)
            stop = after and after - 1
        elseif first:match("[{%[\"]") then
            local depth, inside, i = 0, false, at
            while i <= #s do
                local byte = s:byte(i)
                if inside then
                    if byte == 92 then i = i + 1 elseif byte == 34 then inside = false end
                elseif byte == 34 then
                    inside = true
                elseif byte == 123 or byte == 91 then
                    depth = depth + 1
                elseif byte == 125 or byte == 93 then
                    depth = depth - 1
                end
                if depth == 0 and not inside and i <= #s then
                    stop = i
                    break
                end
                i = i + 1
            end
        else
            return BROKEN, "expected a JSON value"
        end
        if not stop then return NEED end
        if stop - at + 1 > max then return BROKEN, OVER_LIMIT end
        return FRAME, 0, stop - at + 1, stop - at + 1
    end
end

local function escape(c)
    return function(s, at, max)
        local have = #s - at + 1
        if have < c.width then return NEED, c.width - have end
        local value, header = uint(s, at, c.width), c.width
        if value == 256 ^ c.width - 1 then
            header = c.width + c.long
            if have < header then return NEED, header - have end
            value = uint(s, at + c.width, c.long)
        elseif c.signed and value >= 256 ^ c.width / 2 then
            return BROKEN, "the length is negative"
        end
        return whole(s, at, max, header, value, "", false)
    end
end

-- What one segment carries.
local function rest()
    return function(s, at, max)
        local size = math.min(#s - at + 1, max)
        return FRAME, 0, size, size
    end
end

-- ---- the framing of each side, phase by phase ----

@PHASES@
-- ---- the dissector ----

local proto = Proto(NAME, TITLE)
local fields = {
    header = ProtoField.bytes(NAME .. ".header", "Header"),
    length = ProtoField.uint32(NAME .. ".length", "Payload length"),
    payload = ProtoField.bytes(NAME .. ".payload", "Payload"),
    trailer = ProtoField.bytes(NAME .. ".trailer", "Trailer"),
}
proto.fields = fields
local broken = ProtoExpert.new(NAME .. ".broken", "Broken frame", expert.group.MALFORMED, expert.severity.ERROR)
proto.experts = { broken }
local stream_of = Field.new("tcp.stream")

local is_server = {}
for _, port in ipairs(PORTS) do is_server[port] = true end

-- The phase that each direction of each stream is in; and the one with which the bytes of a packet began, for
-- packets that are dissected again.
local states, begun = {}, {}

function proto.init()
    states, begun = {}, {}
end

-- Whether one of the runs is at its place: true, false, or nil if that depends on bytes that are missing.
local function begins(pattern, bytes)
    if #bytes < pattern.offset then return nil end
    local may = false
    for _, run in ipairs(pattern.runs) do
        local there = bytes:sub(pattern.offset + 1, pattern.offset + #run)
        if there == run then return true end
        if #there < #run and there == run:sub(1, #there) then may = true end
    end
    if may then return nil end
    return false
end

local function enter(state, phases, number)
    state.phase, state.left = number, phases[number].times
end

-- Passes a frame on to the phase that follows, if it was the last one.
local function took(state, phases, payload)
    local phase = phases[state.phase]
    if state.phase == #phases then return end
    state.left = state.left - 1
    if state.left == 0 or phase.last and begins(phase.last, payload) then enter(state, phases, state.phase + 1) end
end

local function show(tree, tvb, at, start, stop, total)
    local item = tree:add(proto, tvb(at, total), TITLE .. ", " .. (stop - start) .. (stop - start == 1 and " byte" or " bytes"))
    if start > 0 then item:add(fields.header, tvb(at, start)) end
    item:add(fields.length, stop - start):set_generated()
    if stop > start then item:add(fields.payload, tvb(at + start, stop - start)) end
    if total > stop then item:add(fields.trailer, tvb(at + stop, total - stop)) end
end

-- Finds the frames in the bytes that are there. Returns how many there were.
local function find(tvb, pinfo, tree, state, phases)
    local s, at, frames = tvb:raw(0, tvb:len()), 0, 0
    while at < #s do
        local phase = phases[state.phase]
        local kind, start, stop, total
        local fits = true
        if phase.only then fits = begins(phase.only, s:sub(at + 1)) end
        if fits == false then
            enter(state, phases, state.phase + 1)
        else
            if fits == nil then kind = NEED else kind, start, stop, total = phase.read(s, at + 1, phase.max) end
            if kind == FRAME then
                show(tree, tvb, at, start, stop, total)
                took(state, phases, s:sub(at + start + 1, at + stop))
                at, frames = at + total, frames + 1
            elseif kind == BLANK then
                at = at + start
            elseif kind == NEED then
                pinfo.desegment_offset = at
                pinfo.desegment_len = start or DESEGMENT_ONE_MORE_SEGMENT
                return frames
            else
                state.failed = true
                tree:add(proto, tvb(at)):add_proto_expert_info(broken, start)
                return frames
            end
        end
    end
    return frames
end

local told -- the packet whose column was written last

function proto.dissector(tvb, pinfo, tree)
    local server = not is_server[pinfo.dst_port]
    local phases = server and SERVER or CLIENT
    local key = stream_of().value .. (server and "s" or "c")
    local packet = pinfo.number .. ":" .. key .. ":" .. tvb:len()
    local state = states[key] or { phase = 1, left = phases[1].times }
    if pinfo.visited then state = begun[packet] or state end
    state = { phase = state.phase, left = state.left, failed = state.failed }
    if not pinfo.visited then
        begun[packet] = { phase = state.phase, left = state.left, failed = state.failed }
        states[key] = state
    end
    pinfo.cols.protocol = NAME
    if state.failed then return 0 end
    local frames = find(tvb, pinfo, tree, state, phases)
    if frames > 0 then
        local text = (server and "server: " or "client: ") .. frames .. (frames == 1 and " message" or " messages")
        -- A packet may end one reassembled message and have whole ones behind it: that is two calls.
        if told == pinfo.number then pinfo.cols.info:append(", " .. text) else pinfo.cols.info:set(text) end
        told = pinfo.number
    end
    return tvb:len()
end

for _, port in ipairs(PORTS) do DissectorTable.get("tcp.port"):add(port, proto) end
