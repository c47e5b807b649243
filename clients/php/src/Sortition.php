<?php

declare(strict_types=1);

namespace Sortition\Origin;

/**
 * What an origin says to and hears from Sortition: decisions, exposures, conversions. PHP's own extensions alone.
 *
 * What fails for the moment (no connection, 429, 5xx) is tried `tries` times, after `wait` seconds, twice that, …
 */
final class Sortition
{
    private const STRING = '"((?:[ !#-\[\]-~]|\\\\["\\\\])*)"';
    private const TOKEN = '[A-Za-z*][A-Za-z0-9_!#$%&\'*+\-.^`|~:\/]*';
    private const REST = '(?:;[ ]*[a-z*][a-z0-9_\-.*]*(?:=(?:[A-Za-z0-9_!#$%&\'*+\-.^`|~:\/?]+|"(?:[ !#-\[\]-~]|\\\\["\\\\])*"))?)*';

    /**
     * @param string $url A page's address of the shop.
     * @param string $secret The worker's INGEST_SECRET.
     * @param string $token The worker's API_TOKEN.
     */
    public function __construct(
        private string $url,
        private string $secret = '',
        private string $token = '',
        private int $tries = 5,
        private float $wait = 1.0,
    ) {
    }

    /**
     * `Sortition-Variants` as an array, in its order: an RFC 9651 dictionary. What is no such thing says nothing.
     *
     * @return array<string, string>
     */
    public static function variants(?string $header): array
    {
        $text = trim($header ?? '', ' ');
        $found = [];
        $at = 0;
        $item = '/\G([a-z*][a-z0-9_\-.*]*)=(?:' . self::STRING . '|(' . self::TOKEN . '))' . self::REST . '/';
        while ($at < strlen($text)) {
            if (preg_match($item, $text, $match, PREG_UNMATCHED_AS_NULL, $at) !== 1) {
                return [];
            }
            $at += strlen($match[0]);
            // A name that starts with a digit is written behind a star.
            $name = preg_replace('/^\*(?=[0-9])/', '', $match[1]);
            $found[$name] = $match[3] ?? preg_replace('/\\\\(.)/', '$1', $match[2] ?? '');
            if ($at === strlen($text)) {
                break;
            }
            if (preg_match('/\G[ \t]*,[ \t]*/', $text, $comma, 0, $at) !== 1) {
                return [];
            }
            $at += strlen($comma[0]);
            if ($at === strlen($text)) {
                return [];
            }
        }
        return $found;
    }

    /**
     * The value of `Sortition-Expose`: the experiments that this answer really rendered.
     *
     * @param iterable<string> $experiments
     */
    public static function expose(iterable $experiments): string
    {
        $names = [];
        foreach ($experiments as $name) {
            $names[preg_match('/^[a-z]/', $name) === 1 ? $name : "\"$name\""] = true;
        }
        return implode(', ', array_map('strval', array_keys($names)));
    }

    /** The value of `Sortition-Signature` for a body. */
    public static function sign(string $body, string $secret, ?int $seconds = null): string
    {
        $seconds ??= time();
        return "t=$seconds,v1=" . hash_hmac('sha256', "$seconds.$body", $secret);
    }

    /** What lets a page say that a visitor is a user: the third argument of `sortition.identify`. */
    public static function proof(string $anonymousId, string $userId, string $secret): string
    {
        return hash_hmac('sha256', "$anonymousId.$userId", $secret);
    }

    /** The user cookie of `visitor.user_signed`. */
    public static function signedUser(string $user, string $secret): string
    {
        return $user . '.' . hash_hmac('sha256', "user.$user", $secret);
    }

    /**
     * Reports events of this server; each names its `anonymous_id` or `user_id`. A retry is recorded once.
     *
     * @param list<array<string, mixed>> $events
     */
    public function report(array $events): void
    {
        $named = array_map(
            static fn (array $event): array => $event + ['type' => 'experiment_converted', 'id' => bin2hex(random_bytes(16))],
            $events,
        );
        $body = json_encode(['events' => $named], JSON_THROW_ON_ERROR);
        $this->post('conversions', $body, fn (): string => 'Sortition-Signature: ' . self::sign($body, $this->secret));
    }

    /**
     * Decisions for somebody: `units, names, tags, url, attributes, expose` → `decisions, revision`.
     *
     * @param array<string, mixed> $question
     * @return array<string, mixed>
     */
    public function choose(array $question): array
    {
        $body = json_encode($question, JSON_THROW_ON_ERROR);
        $answer = $this->post('choose', $body, fn (): string => "Authorization: Bearer $this->token");
        return json_decode($answer, true, 512, JSON_THROW_ON_ERROR);
    }

    private function post(string $path, string $body, callable $header): string
    {
        $parts = parse_url($this->url);
        $port = isset($parts['port']) ? ":{$parts['port']}" : '';
        $target = "{$parts['scheme']}://{$parts['host']}$port/_sortition/$path";
        for ($tried = 1; ; $tried++) {
            $context = stream_context_create(['http' => [
                'method' => 'POST',
                'header' => ['Content-Type: application/json', $header()],
                'content' => $body,
                'timeout' => 10,
                'ignore_errors' => true,
            ]]);
            $http_response_header = [];
            $answer = @file_get_contents($target, false, $context);
            preg_match('/^HTTP\/\S+ (\d+)/', $http_response_header[0] ?? '', $status);
            $code = (int) ($status[1] ?? 0);
            if ($answer !== false && $code >= 200 && $code < 300) {
                return $answer;
            }
            if (($code !== 0 && $code !== 429 && $code < 500) || $tried >= $this->tries) {
                throw new \RuntimeException($code === 0 ? 'sortition cannot be reached' : "sortition answers $code: $answer");
            }
            preg_match('/^Retry-After:\s*(\d+)/mi', implode("\n", $http_response_header), $asked);
            $seconds = isset($asked[1]) ? min((int) $asked[1], 60) : 0;
            usleep((int) (1e6 * ($seconds > 0 ? $seconds : $this->wait * 2 ** ($tried - 1))));
        }
    }
}
