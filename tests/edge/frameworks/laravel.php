<?php

// Runs the examples for Laravel: its request, its answer, its views and its queue, as far as the examples use them.

namespace Illuminate\Http {
    class Request
    {
        public function __construct(private array $headers)
        {
        }

        public function header(string $name): ?string
        {
            return $this->headers[strtolower($name)] ?? null;
        }
    }
}

namespace Illuminate\Contracts\Queue {
    interface ShouldQueue
    {
    }
}

namespace Illuminate\Foundation\Queue {
    trait Queueable
    {
    }
}

namespace {
    [, $client, $middleware, $job] = $argv;
    foreach (glob("$client/*.php") as $file) {
        require_once $file;
    }
    $asked = json_decode(stream_get_contents(STDIN), true);
    $shared = [];

    function view()
    {
        return new class {
            public function share(string $name, mixed $value): void
            {
                $GLOBALS['shared'][$name] = $value;
            }
        };
    }

    function config(string $name): string
    {
        return $GLOBALS['asked']['config'][$name];
    }

    require $middleware;
    require $job;
    if (isset($asked['order'])) {
        (new App\Jobs\ReportOrder(...$asked['order']))->handle();
        echo json_encode(['reported' => true]);
        return;
    }
    $answer = new class {
        public object $headers;

        public function __construct()
        {
            $this->headers = new class {
                public array $all = [];

                public function set(string $name, string $value): void
                {
                    $this->all[$name] = $value;
                }
            };
        }
    };
    $request = new Illuminate\Http\Request($asked['headers']);
    (new App\Http\Middleware\Experiments())->handle($request, fn ($request) => $answer);
    $expose = $answer->headers->all['Sortition-Expose'] ?? null;
    echo json_encode(['variants' => (object) $shared['variants'], 'expose' => $expose]);
}
