# frozen_string_literal: true

require "json"
require "net/http"
require "openssl"
require "securerandom"
require "uri"

# What an origin says to and hears from Sortition: decisions, exposures, conversions. The standard library alone.
module SortitionOrigin
  class Error < StandardError; end

  STRING = /"((?:[ !#-\[\]-~]|\\["\\])*)"/
  TOKEN = %r{[A-Za-z*][A-Za-z0-9_!\#$%&'*+\-.^`|~:/]*}
  REST = %r{(?:;[ ]*[a-z*][a-z0-9_\-.*]*(?:=(?:[A-Za-z0-9_!\#$%&'*+\-.^`|~:/?]+|"(?:[ !\#-\[\]-~]|\\["\\])*"))?)*}
  ITEM = /\G([a-z*][a-z0-9_\-.*]*)=(?:#{STRING}|(#{TOKEN}))#{REST}/
  COMMA = /\G[ \t]*,[ \t]*/
  private_constant :STRING, :TOKEN, :REST, :ITEM, :COMMA

  module_function

  # `Sortition-Variants` as a hash, in its order: an RFC 9651 dictionary. What is no such thing says nothing.
  def variants(header)
    text = header.to_s.gsub(/\A +| +\z/, "")
    found = {}
    at = 0
    while at < text.length
      item = ITEM.match(text, at)
      return {} unless item && item.begin(0) == at

      at = item.end(0)
      # A name that starts with a digit is written behind a star.
      found[item[1].sub(/\A\*(?=[0-9])/, "")] = item[3] || item[2].gsub(/\\(.)/, '\1')
      break if at == text.length

      comma = COMMA.match(text, at)
      return {} unless comma && comma.begin(0) == at && comma.end(0) < text.length

      at = comma.end(0)
    end
    found
  end

  # The value of `Sortition-Expose`: the experiments that this answer really rendered.
  def expose(experiments)
    experiments.uniq.map { |name| name.match?(/\A[a-z]/) ? name : JSON.generate(name) }.join(", ")
  end

  def hmac(secret, text)
    OpenSSL::HMAC.hexdigest("SHA256", secret, text)
  end

  # The value of `Sortition-Signature` for a body.
  def sign(body, secret, seconds = Time.now.to_i)
    "t=#{seconds},v1=#{hmac(secret, "#{seconds}.#{body}")}"
  end

  # What lets a page say that a visitor is a user: the third argument of `sortition.identify`.
  def proof(anonymous_id, user_id, secret)
    hmac(secret, "#{anonymous_id}.#{user_id}")
  end

  # The user cookie of `visitor.user_signed`.
  def signed_user(user, secret)
    "#{user}.#{hmac(secret, "user.#{user}")}"
  end

  # Talks to a worker. `url` is a page's of the shop, `secret` its INGEST_SECRET, `token` its API_TOKEN. What fails for the
  # moment (no connection, 429, 5xx) is tried `tries` times, after `wait` seconds, twice that, …
  class Client
    FLEETING = [SystemCallError, SocketError, IOError, Timeout::Error, OpenSSL::SSL::SSLError].freeze

    def initialize(url:, secret: nil, token: nil, tries: 5, wait: 1.0)
      @url = url
      @secret = secret
      @token = token
      @tries = tries
      @wait = wait
    end

    # Reports events of this server; each names its `anonymous_id` or `user_id`. A retry is recorded once.
    def report(events)
      named = events.map { |event| { type: "experiment_converted", id: SecureRandom.hex(16) }.merge(event) }
      body = JSON.generate(events: named)
      post("conversions", body) { { "Sortition-Signature" => SortitionOrigin.sign(body, @secret) } }
      nil
    end

    # Decisions for somebody: `units, names, tags, url, attributes, expose` → `decisions, revision`.
    def choose(question)
      JSON.parse(post("choose", JSON.generate(question)) { { "Authorization" => "Bearer #{@token}" } })
    end

    private

    def post(path, body)
      target = URI.join(@url, "/_sortition/#{path}")
      1.upto(@tries) do |tried|
        answer, problem = attempt(target, body, yield)
        return answer.body if answer.is_a?(Net::HTTPSuccess)

        again = answer.nil? || answer.code == "429" || answer.code.start_with?("5")
        raise Error, problem || "sortition answers #{answer.code}: #{answer.body}" if !again || tried == @tries

        asked = answer && answer["Retry-After"].to_i
        sleep(asked.to_i.positive? ? [asked, 60].min : @wait * 2**(tried - 1))
      end
    end

    def attempt(target, body, headers)
      http = Net::HTTP.new(target.host, target.port)
      http.use_ssl = target.scheme == "https"
      http.open_timeout = http.read_timeout = 10
      http.max_retries = 0
      [http.post(target.path, body, { "Content-Type" => "application/json" }.merge(headers)), nil]
    rescue *FLEETING => e
      [nil, "sortition cannot be reached: #{e.message}"]
    end
  end
end
