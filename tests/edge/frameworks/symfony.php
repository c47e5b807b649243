<?php

// Runs the example for Symfony: its event of a request, as far as the example uses it.

namespace Symfony\Component\EventDispatcher {
    interface EventSubscriberInterface
    {
        public static function getSubscribedEvents(): array;
    }
}

namespace Symfony\Component\HttpKernel {
    class KernelEvents
    {
        public const REQUEST = 'kernel.request';
    }
}

namespace Symfony\Component\HttpKernel\Event {
    class Bag
    {
        public function __construct(public array $all = [])
        {
        }

        public function get(string $name): mixed
        {
            return $this->all[strtolower($name)] ?? null;
        }

        public function set(string $name, mixed $value): void
        {
            $this->all[$name] = $value;
        }
    }

    class RequestEvent
    {
        public object $request;

        public function __construct(array $headers)
        {
            $this->request = new \stdClass();
            $this->request->headers = new Bag($headers);
            $this->request->attributes = new Bag();
        }

        public function getRequest(): object
        {
            return $this->request;
        }
    }
}

namespace {
    [, $client, $subscriber] = $argv;
    foreach (glob("$client/*.php") as $file) {
        require_once $file;
    }
    require $subscriber;
    $asked = json_decode(stream_get_contents(STDIN), true);
    $experiments = new App\EventSubscriber\Experiments();
    $event = new Symfony\Component\HttpKernel\Event\RequestEvent($asked['headers']);
    $method = $experiments::getSubscribedEvents()['kernel.request'];
    $experiments->$method($event);
    $variants = $event->request->attributes->get('variants');
    // The example only reads: what the page rendered is said as the helper says it.
    $expose = isset($variants['hero']) ? Sortition\Origin\Sortition::expose(['hero']) : null;
    echo json_encode(['variants' => (object) $variants, 'expose' => $expose]);
}
