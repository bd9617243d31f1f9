-- Run by `pandoc lua`: a JSON list of texts in, a JSON list of the same texts as AsciiDoc and HTML out.
local here = pandoc.path.directory(PANDOC_SCRIPT_FILE or arg[0])
local shared = dofile(pandoc.path.join { here, "shared.lua" })
local to_asciidoc = dofile(pandoc.path.join { here, "asciidoc.lua" })
local to_html = dofile(pandoc.path.join { here, "html.lua" })

local FORMATS = { markdown = shared.MARKDOWN, html = "html", asciidoc = "asciidoc" }

local function convert(item)
  local doc = shared.read(item.text, FORMATS[item.format])
  local result = { headings = {}, images = {} }
  doc:walk {
    Header = function(h) table.insert(result.headings, { h.level, pandoc.utils.stringify(h.content) }) end,
    Image = function(i) table.insert(result.images, i.src) end,
  }
  local first = doc.blocks[1]
  result.starts_with_title = first ~= nil and first.t == "Header" and first.level == 1
  if item.want == "html" then result.text = to_html(doc, item.prefix) else result.text = to_asciidoc(doc) end
  return result
end

local results = {}
for i, item in ipairs(pandoc.json.decode(io.read("a"), false)) do
  local ok, result = pcall(convert, item)
  results[i] = ok and result or { failed = tostring(result):sub(1, 300), headings = {}, images = {} }
end
io.write(pandoc.json.encode(results))
