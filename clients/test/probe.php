<?php

// Does with the client what standard input asks, and prints what came of it: the same program in every language.

declare(strict_types=1);

require __DIR__ . '/../php/src/Sortition.php';

use Sortition\Origin\Sortition;

$asked = json_decode(file_get_contents('php://stdin'), true, 512, JSON_THROW_ON_ERROR);
$client = new Sortition($asked['url'], $asked['secret'], $asked['token'], $asked['tries'], 0.05);
$caught = static function (callable $work): array {
    try {
        return ['value' => $work()];
    } catch (RuntimeException $error) {
        return ['error' => $error->getMessage()];
    }
};
$pairs = static fn (array $found): array => array_map(null, array_map('strval', array_keys($found)), array_values($found));
echo json_encode([
    'variants' => array_map(static fn (string $header): array => $pairs(Sortition::variants($header)), $asked['headers']),
    'expose' => Sortition::expose($asked['exposed']),
    'sign' => Sortition::sign($asked['body'], $asked['secret'], $asked['seconds']),
    'proof' => Sortition::proof($asked['ids'][0], $asked['ids'][1], $asked['secret']),
    'signed_user' => Sortition::signedUser($asked['ids'][1], $asked['secret']),
    'report' => isset($asked['events']) ? $caught(fn () => $client->report($asked['events'])) : null,
    'choose' => isset($asked['question']) ? $caught(fn () => $client->choose($asked['question'])) : null,
], JSON_THROW_ON_ERROR);
