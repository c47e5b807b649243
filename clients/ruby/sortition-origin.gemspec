# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = "sortition-origin"
  spec.version = "0.2.0"
  spec.summary = "What an origin says to and hears from Sortition: decisions, exposures, conversions."
  spec.authors = ["Sortition"]
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.required_ruby_version = ">= 2.7"
  spec.files = ["lib/sortition_origin.rb"]
end
