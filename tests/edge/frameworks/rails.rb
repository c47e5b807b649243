# Runs the example for Rails: a controller with what stands before and after its action, and a job.

require "json"

$LOAD_PATH.unshift(ARGV[0])
require "sortition_origin"

module ActionController
  class Base
    class << self
      def steps = @steps ||= { before: [], after: [] }
      def before_action(&block) = steps[:before] << block
      def after_action(&block) = steps[:after] << block
    end

    attr_reader :request, :response

    def initialize(headers)
      @request = Struct.new(:headers).new(Hash.new { |_, name| headers[name.downcase] })
      @response = Class.new do
        attr_reader :all

        def initialize = @all = {}
        def set_header(name, value) = @all[name] = value
      end.new
    end

    def run
      self.class.steps.values.flatten.each { |step| instance_exec(&step) }
      { variants: @variants, expose: @response.all["Sortition-Expose"] }
    end
  end
end

class ApplicationJob
end

asked = JSON.parse($stdin.read)
ENV["INGEST_SECRET"] = asked["secret"] if asked["secret"]
# The example names a shop; here the shop is the worker of the test.
load_text = File.read(ARGV[1]).gsub("https://shop.example", asked["url"] || "https://shop.example")
eval(load_text, TOPLEVEL_BINDING, ARGV[1]) # rubocop:disable Security/Eval
if asked["order"]
  ReportOrderJob.new.perform(*asked["order"])
  puts JSON.generate({ reported: true })
else
  puts JSON.generate(ApplicationController.new(asked["headers"]).run)
end
