# frozen_string_literal: true

# Does with the client what standard input asks, and prints what came of it: the same program in every language.

require_relative "../ruby/lib/sortition_origin"

asked = JSON.parse($stdin.read)
client = SortitionOrigin::Client.new(
  url: asked["url"], secret: asked["secret"], token: asked["token"], tries: asked["tries"], wait: 0.05
)
caught = lambda do |&work|
  { value: work.call }
rescue SortitionOrigin::Error => e
  { error: e.message }
end
puts JSON.generate(
  variants: asked["headers"].map { |header| SortitionOrigin.variants(header).to_a },
  expose: SortitionOrigin.expose(asked["exposed"]),
  sign: SortitionOrigin.sign(asked["body"], asked["secret"], asked["seconds"]),
  proof: SortitionOrigin.proof(*asked["ids"], asked["secret"]),
  signed_user: SortitionOrigin.signed_user(asked["ids"][1], asked["secret"]),
  report: asked["events"] && caught.call { client.report(asked["events"].map { |e| e.transform_keys(&:to_sym) }) },
  choose: asked["question"] && caught.call { client.choose(asked["question"]) }
)
